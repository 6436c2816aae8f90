public import MailHubPlugin

extension LDAPRecipients: OperatorHook {
    /// `test`, `status`, `sync` and `forget`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [
            ("test ADDRESS [--from SENDER]", "shows what the directory says about an address and what follows"),
            ("status", "shows caches, index and the last synchronisation"),
            ("sync", "reads the whole directory into the index now"),
            ("forget ADDRESS", "removes an address from the caches, so that the next mail asks the directory"),
        ]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        switch request.verb {
        case "test":
            let mailbox = try Self.mailbox(request)
            let sender = try request.options["from"].map { text in
                guard let path = ReversePath(text) else { throw OperatorMistake("\"\(text)\" is not a mail address") }
                return path
            }
            return OperatorAnswer(lines: await self.test(mailbox, from: sender))
        case "status":
            return try await self.status()
        case "sync":
            guard let report = try await self.synchronise() else {
                throw OperatorMistake("there is nothing to fill: no directory, or \"survival\": \"0s\"")
            }
            return OperatorAnswer(lines: [Self.text(report)])
        case "forget":
            let key = AddressKey.key(of: try Self.mailbox(request))
            self.cache.forget(key)
            return OperatorAnswer(lines: ["\(key): forgotten; the index for the time without directory is unchanged"])
        default:
            throw OperatorMistake("no verb \"\(request.verb)\": test, status, sync or forget")
        }
    }

    private static func mailbox(_ request: OperatorRequest) throws -> Mailbox {
        guard request.arguments.count == 1, let text = request.arguments.first else {
            throw OperatorMistake("one address is needed: \(request.verb) ann@example.org")
        }
        guard let mailbox = Mailbox(text) else { throw OperatorMistake("\"\(text)\" is not a mail address") }
        return mailbox
    }

    // MARK: test

    /// Everything about an address; the directory is asked afresh, and the cache is left as it is.
    private func test(_ mailbox: Mailbox, from sender: ReversePath?) async -> [String] {
        var lines = ["address    \(mailbox)"]
        guard let lookup = self.lookup else {
            return lines + ["verdict    451 4.4.3: config.json has no \"directory\""]
        }
        guard self.isResponsible(for: mailbox) else {
            let domains = self.settings.domains.map(\.text).sorted().joined(separator: ", ")
            return lines + ["verdict    not asked: this plugin answers for \(domains)"]
        }
        let trace = LookupTrace()
        let key = AddressKey.key(of: mailbox)
        let answer = await lookup.recipient(at: mailbox, trace)
        lines += trace.lines.map { "           \($0)" }
        lines.append("server     \(lookup.directory.lastServer ?? "none has answered yet")")
        if let entry = trace.entry { lines += self.describe(entry) }
        if case .found(let recipient) = answer { lines += Self.describe(recipient) }
        lines.append("cache      \(self.cacheState(key))")
        let survivor = await self.indexState(key)
        lines.append("index      \(survivor.text)")
        lines.append("verdict    \(self.verdict(answer, mailbox, survivor.confirmation))")
        let recipient = Self.recipient(answer) ?? survivor.confirmation?.recipient
        if let sender, let restrictions = recipient?.restrictions, let recipient {
            let who = SenderCheckQuestion(sender: sender, restrictions: restrictions, recipient: recipient)
            lines += await self.senderLines(who, lookup)
        }
        return lines
    }

    private func describe(_ entry: DirectoryEntry) -> [String] {
        var lines = ["entry      \(entry.name)"]
        let wanted = Set(self.settings.schema.wanted.map { $0.lowercased() })
        for (attribute, values) in entry.attributes.sorted(by: { $0.key < $1.key }) where wanted.contains(attribute) {
            let shown = values.prefix(10).joined(separator: "; ")
            let more = values.count > 10 ? " and \(values.count - 10) more" : ""
            lines.append("           \(attribute): \(shown)\(more)")
        }
        let addresses = self.settings.schema.addresses(of: entry).map(\.description)
        lines.append("aliases    \(addresses.isEmpty ? "none" : addresses.joined(separator: ", "))")
        let groups = entry[self.settings.schema.memberOf]
        if !groups.isEmpty { lines.append("groups     member of \(groups.joined(separator: "; "))") }
        return lines
    }

    private static func describe(_ recipient: DirectoryRecipient) -> [String] {
        var lines: [String] = []
        if let members = recipient.members?.mailboxes {
            let shown = members.prefix(20).map(\.description).joined(separator: ", ")
            lines.append("members    \(members.count): \(shown)\(members.count > 20 ? ", ..." : "")")
            lines.append(
                "owner      \(recipient.owner.map { "\($0) gets the reports" } ?? "none: the sender gets them")"
            )
        }
        if let forward = recipient.forward { lines.append("forward    \(forward)") }
        lines.append("route      \(recipient.route ?? "that of the domain")")
        if let limit = recipient.sizeLimit { lines.append("size       at most \(limit) octets") }
        if let restrictions = recipient.restrictions { lines.append("senders    \(restrictions)") }
        return lines
    }

    private func cacheState(_ key: String) -> String {
        guard let (answer, expires) = self.cache.known(key) else { return "not in the cache" }
        let left = ReadableTime.text(expires - self.services.clock.now)
        return switch answer {
        case .found: "found, for another \(left)"
        case .notFound(let reason): "not found (\(reason)), for another \(left)"
        case .unavailable: "nothing"
        }
    }

    private func indexState(_ key: String) async -> (text: String, confirmation: SurvivalIndex.Confirmation?) {
        guard self.index.isOn else { return ("off (\"survival\": \"0s\")", nil) }
        do {
            guard let confirmation = try await self.index.confirmation(of: key) else {
                return ("never confirmed: 451 while the directory is unavailable", nil)
            }
            let age = self.services.clock.now - confirmation.confirmed
            let left = self.index.period - age
            guard left >= .zero else { return ("confirmed \(ReadableTime.text(age)) ago, too long", nil) }
            let text = "confirmed \(ReadableTime.text(age)) ago: taken without directory for another "
            return (text + ReadableTime.text(left), confirmation)
        } catch {
            return ("cannot be read: \(error)", nil)
        }
    }

    private static func recipient(_ answer: RecipientAnswer) -> DirectoryRecipient? {
        if case .found(let recipient) = answer { recipient } else { nil }
    }

    private func verdict(
        _ answer: RecipientAnswer,
        _ mailbox: Mailbox,
        _ survivor: SurvivalIndex.Confirmation?
    ) -> String {
        switch answer {
        case .found(let recipient): "accepted, \(Self.consequence(recipient, mailbox))"
        case .notFound
        where mailbox == self.services.postmaster || mailbox.localPart.value.lowercased() == "postmaster":
            "accepted, since there always is a postmaster"
        case .notFound(let reason): "refused with 550 5.1.1: \(reason)"
        case .unavailable(let why):
            survivor.map {
                "accepted as confirmed earlier, \(Self.consequence($0.recipient, mailbox)); directory unavailable: \(why)"
            } ?? "refused for now with 451 4.4.3: \(why)"
        }
    }

    private static func consequence(_ recipient: DirectoryRecipient, _ mailbox: Mailbox) -> String {
        for edit in recipient.edits(for: mailbox) {
            switch edit {
            case .replace(let other): return "delivered to \(other)"
            case .expand(let members, _): return "delivered to \(members.count) members"
            case .add, .drop, .route, .routeMembers, .limitSize: continue
            }
        }
        return "delivered to \(mailbox)"
    }

    private struct SenderCheckQuestion {
        let sender: ReversePath
        let restrictions: DeliveryRestrictions
        let recipient: DirectoryRecipient
    }

    private func senderLines(_ question: SenderCheckQuestion, _ lookup: RecipientLookup) async -> [String] {
        var lines: [String] = []
        for isTrusted in [false, true] {
            let verdict = await self.verdict(
                on: question.restrictions,
                of: question.recipient,
                sender: question.sender,
                isTrusted: isTrusted,
                lookup,
                self.services.logger
            )
            let text =
                switch verdict {
                case .permitted: "may send"
                case .refused(let reason): "refused with 550 5.7.1: \(reason)"
                case .unavailable(let why): "refused for now with 451 4.4.3: \(why)"
                }
            let client = isTrusted ? "a client of the site" : "a client from elsewhere"
            lines.append("sender     <\(question.sender)> through \(client): \(text)")
        }
        return lines
    }

    // MARK: status

    private func status() async throws -> OperatorAnswer {
        let counts = self.cache.counts
        var rows = [
            [
                "directory",
                self.lookup.map { "\($0.directory.profile.rawValue), base \"\($0.base ?? $0.directory.base)\"" }
                    ?? "none",
            ],
            ["server that answered last", self.lookup?.directory.lastServer ?? "none"],
            ["cached recipients", "\(counts.found)"],
            ["cached unknown addresses", "\(counts.missing)"],
            ["confirmed addresses kept", self.index.isOn ? "\(try await self.index.count())" : "off"],
            ["kept for", ReadableTime.text(self.index.period)],
        ]
        let store = self.services.store
        if let report = try await store.value(DirectorySync.Report.self, for: DirectorySync.reportKey) {
            let age = ReadableTime.text(self.services.clock.now - report.finished)
            rows.append(["last synchronisation", "\(age) ago: \(Self.text(report))"])
        }
        for (name, value) in self.services.counters.snapshot.sorted(by: { $0.key < $1.key }) {
            rows.append([name, "\(value)"])
        }
        return OperatorAnswer(columns: ["what", "value"], rows: rows)
    }

    private static func text(_ report: DirectorySync.Report) -> String {
        if let failure = report.failure { return "not complete: \(failure)" }
        return "\(report.entries) entries, \(report.addresses) addresses, \(report.removed) removed"
    }
}
