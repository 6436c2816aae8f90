import MailHubPlugin

/// One rule: when it is carried out, and what it does.
struct RewriteRule: Sendable {
    /// Which way a message goes.
    enum Direction: String, CaseIterable, Sendable {
        /// From others.
        case inbound = "in"
        /// From clients of `relayNetworks`, and from users.
        case outbound = "out"
        case any
    }

    /// What is done.
    enum Action: String, CaseIterable, Sendable {
        /// A further field at the end of the section.
        case add
        /// A further field on top.
        case insert
        /// A new value for each field that is there.
        case replace
        /// Exactly one field with that value.
        case set
        /// Each field that is there goes.
        case remove

        /// Whether it needs `"value"`.
        var hasValue: Bool { self != .remove }
        /// Whether it changes or removes fields of others.
        var isDestructive: Bool { self == .replace || self == .set || self == .remove }
        /// Whether `"where"` may choose among the fields.
        var hasChoice: Bool { self == .replace || self == .remove }
    }

    /// What another field must be like.
    enum Condition: Sendable {
        case matches(field: String, ValuePattern)
        case present(field: String)
        case absent(field: String)
    }

    var direction = Direction.any
    var listeners: Set<String> = []
    var senderDomains: Set<Domain> = []
    var recipientDomains: Set<Domain> = []
    var conditions: [Condition] = []
    var action = Action.add
    /// The name of the field; a pattern for `remove`.
    var field = ""
    var fieldPattern: ValuePattern?
    var choice: ValuePattern?
    var value: ValueTemplate?
    /// Whether trace fields may be changed too.
    var touchesTrace = false

    /// Fields that tell a message's way and who vouches for it: not to be changed by the way
    /// (RFC 5322 section 3.6.7, RFC 6376, RFC 8601, RFC 8617, RFC 7208 section 9.1).
    static func isTrace(_ name: String) -> Bool {
        let name = name.lowercased()
        let names = ["received", "return-path", "dkim-signature", "authentication-results", "received-spf"]
        return names.contains(name) || name.hasPrefix("resent-") || name.hasPrefix("arc-")
    }

    /// Whether a message is the rule's business.
    func covers(
        _ header: HeaderSection,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) -> Bool {
        let isOutbound =
            session.isRelayClient || session.role == .submission || session.authenticatedIdentity != nil
        switch self.direction {
        case .any: break
        case .inbound: if isOutbound { return false }
        case .outbound: if !isOutbound { return false }
        }
        guard self.listeners.isEmpty || self.listeners.contains(session.listener) else { return false }
        let envelope = transaction.envelope
        guard self.senderDomains.isEmpty || Self.contains(self.senderDomains, envelope.reversePath.mailbox),
            self.recipientDomains.isEmpty
                || envelope.recipients.contains(where: { Self.contains(self.recipientDomains, $0.mailbox) })
        else { return false }
        return self.conditions.allSatisfy { condition in
            switch condition {
            case .present(let field): header.first(named: field) != nil
            case .absent(let field): header.first(named: field) == nil
            case .matches(let field, let pattern):
                header.fields.contains { $0.isNamed(field) && pattern.match($0.value) != nil }
            }
        }
    }

    private static func contains(_ domains: Set<Domain>, _ mailbox: Mailbox?) -> Bool {
        mailbox?.domain?.withParents.contains { domains.contains($0) } ?? false
    }

    /// What to do with a header section, in the order of application.
    func edits(for header: HeaderSection, _ known: [ValueTemplate.Variable: String]) -> [HeaderEdit] {
        switch self.action {
        case .add: self.newValue(known).map { [.append(name: self.field, value: $0)] } ?? []
        case .insert: self.newValue(known).map { [.prepend(name: self.field, value: $0)] } ?? []
        case .set: self.setEdits(for: header, known)
        case .replace: self.replaceEdits(for: header, known)
        case .remove: self.removeEdits(for: header)
        }
    }

    private func newValue(
        _ known: [ValueTemplate.Variable: String],
        old: String? = nil,
        stars: [String] = []
    ) -> String? {
        var known = known
        known[.value] = old
        return self.value?.text(known, stars: stars)
    }

    private func setEdits(
        for header: HeaderSection,
        _ known: [ValueTemplate.Variable: String]
    ) -> [HeaderEdit] {
        guard let value = self.newValue(known, old: header.first(named: self.field)?.value) else { return [] }
        let count = header.count(named: self.field)
        guard count > 1 else { return [.replace(name: self.field, value: value)] }
        return [.remove(name: self.field), .append(name: self.field, value: value)]
    }

    private func replaceEdits(
        for header: HeaderSection,
        _ known: [ValueTemplate.Variable: String]
    ) -> [HeaderEdit] {
        header.all(named: self.field).enumerated().compactMap { index, field in
            let old = field.value
            var stars: [String] = []
            if let choice = self.choice {
                guard let found = choice.match(old) else { return nil }
                stars = found
            }
            guard let new = self.newValue(known, old: old, stars: stars), new != old else { return nil }
            return .replaceOne(name: self.field, occurrence: index + 1, value: new)
        }
    }

    private func removeEdits(for header: HeaderSection) -> [HeaderEdit] {
        var names: [String] = []
        if let pattern = self.fieldPattern {
            var seen: Set<String> = []
            for field in header.fields where field.isWellFormed {
                let name = field.name.lowercased()
                let isKept = name == "received" || (!self.touchesTrace && Self.isTrace(name))
                if !isKept, seen.insert(name).inserted, pattern.match(name) != nil { names.append(name) }
            }
        } else if header.first(named: self.field) != nil {
            names = [self.field]
        }
        return names.flatMap { name -> [HeaderEdit] in
            guard let choice = self.choice else { return [.remove(name: name)] }
            // From the bottom: what is removed does not move what is still to be removed.
            return header.all(named: name).enumerated().reversed()
                .compactMap { choice.match($1.value) == nil ? nil : .removeOne(name: name, occurrence: $0 + 1) }
        }
    }
}
