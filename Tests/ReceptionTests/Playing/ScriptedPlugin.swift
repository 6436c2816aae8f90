import MailHubPlugin
import SMTP

/// A plugin of one stage that answers as a line of a dialogue says: `plugin: STAGE [for=TEXT] ACTION [ARGUMENTS] [!ignore]`.
struct Script: Sendable {
    struct Malformed: Error { let text: String }
    struct Thrown: Error {}

    let stage: String
    /// The action applies where the address, or the header section, contains this.
    private let filter: String?
    private let action: String
    private let words: [String]
    let ignoresFailure: Bool

    init(_ text: String) throws {
        var words = text.split(separator: " ").map(String.init)
        self.ignoresFailure = words.last == "!ignore"
        if self.ignoresFailure { words.removeLast() }
        guard words.count >= 2 else { throw Malformed(text: text) }
        self.stage = words.removeFirst()
        if words[0].hasPrefix("for=") {
            self.filter = String(words.removeFirst().dropFirst(4))
        } else {
            self.filter = nil
        }
        guard !words.isEmpty else { throw Malformed(text: text) }
        self.action = words.removeFirst()
        self.words = words
    }

    private init(_ script: Script, words: [String]) {
        self.stage = script.stage
        self.filter = script.filter
        self.action = script.action
        self.words = words
        self.ignoresFailure = script.ignoresFailure
    }

    /// What any stage can do; `nil` where the stage has to look at the action itself.
    enum Common { case next, accept, reject(Reply), `defer`(Reply), disconnect(Reply), discard, hold(String), own }

    func answer(about subject: String) async throws -> Common {
        guard self.filter.map({ subject.contains($0) }) ?? true else { return .next }
        switch self.action {
        case "next": return .next
        case "accept": return .accept
        case "yield":
            await Task.yield()
            return .next
        case "reject": return .reject(try self.reply())
        case "defer": return .defer(try self.reply())
        case "disconnect": return .disconnect(try self.reply())
        case "discard": return .discard
        case "hold": return .hold(self.words.joined(separator: " "))
        case "throw": throw Thrown()
        case "hang":
            for await _ in AsyncStream<Never>(unfolding: {
                try? await Task.sleep(for: .seconds(3600)); return nil
            }) {}
            return .next
        default: return .own
        }
    }

    private func reply() throws -> Reply {
        let parts = self.words.dropFirst().first?.split(separator: ".").compactMap { Int($0) } ?? []
        guard let code = self.words.first.flatMap({ Int($0) }).flatMap({ ReplyCode($0) }), parts.count == 3 else {
            throw Malformed(text: self.words.joined(separator: " "))
        }
        return Reply(code, .init(parts[1], parts[2]), self.words.dropFirst(2).joined(separator: " "))
    }

    // MARK: Actions of single stages

    func senderEdits() throws -> [SenderEdit] {
        switch self.action {
        case "replace": [.replaceReversePath(.mailbox(try self.mailbox(0)))]
        case "limit": [.limitSize(Int(self.words[0]) ?? 0)]
        default: throw Malformed(text: self.action)
        }
    }

    /// Several are joined by `&`.
    func recipientEdits() throws -> [RecipientEdit] {
        guard let end = self.words.firstIndex(of: "&") else { return try self.recipientEdit() }
        let first = Script(self, words: Array(self.words[..<end]))
        let rest = try Script(([self.stage] + self.words[(end + 1)...]).joined(separator: " "))
        return try first.recipientEdit() + rest.recipientEdits()
    }

    private func recipientEdit() throws -> [RecipientEdit] {
        switch self.action {
        case "found": []
        case "replace": [.replace(try self.mailbox(0))]
        case "add": [.add(try self.mailbox(0))]
        case "drop": [.drop]
        case "expand":
            [
                .expand(
                    try self.words.indices.dropFirst().map { try self.mailbox($0) },
                    owner: self.words[0] == "-" ? nil : .mailbox(try self.mailbox(0))
                )
            ]
        case "route": [.route(self.words[0])]
        case "member":
            [.expand([try self.mailbox(0)], owner: nil), .routeMembers([try self.mailbox(0): self.words[1]])]
        case "limit": [.limitSize(Int(self.words[0]) ?? 0)]
        default: throw Malformed(text: self.action)
        }
    }

    func messageEdits() throws -> [MessageEdit] {
        let value = self.words.dropFirst().joined(separator: " ")
        return switch self.action {
        case "prepend": [.header(.prepend(name: self.words[0], value: value))]
        case "append": [.header(.append(name: self.words[0], value: value))]
        case "set": [.header(.replace(name: self.words[0], value: value))]
        case "remove": [.header(.remove(name: self.words[0]))]
        case "body": [.replaceBody(Array("\(self.words.joined(separator: " "))\r\n".utf8))]
        default: throw Malformed(text: self.action)
        }
    }

    func resolution() throws -> RecipientResolution {
        switch self.action {
        case "notfound": .notFound
        case "unavailable": .unavailable("test")
        default: .found(ResolvedRecipient(edits: try self.recipientEdits()))
        }
    }

    func route() -> String { self.words[0] }

    private func mailbox(_ index: Int) throws -> Mailbox {
        guard self.words.indices.contains(index), let mailbox = Mailbox(self.words[index]) else {
            throw Malformed(text: self.words.joined(separator: " "))
        }
        return mailbox
    }

    /// The plugin for the stage.
    var plugin: (any HubPlugin)? {
        switch self.stage {
        case "connect": ConnectScript(script: self)
        case "hello": HelloScript(script: self)
        case "sender": SenderScript(script: self)
        case "recipient": RecipientScript(script: self)
        case "resolver": ResolverScript(script: self)
        case "data": DataScript(script: self)
        case "header": HeaderScript(script: self)
        case "message": MessageScript(script: self)
        case "route": RouteScript(script: self)
        case "queued": QueuedScript(script: self)
        default: nil
        }
    }
}

/// A plugin that runs a script; it is not made from a configuration.
protocol ScriptedPlugin: HubPlugin {
    var script: Script { get }
}

extension ScriptedPlugin {
    init(configuration: ConfigurationSection, services: PluginServices) throws { throw Script.Malformed(text: "") }
}

struct ConnectScript: ScriptedPlugin, ConnectHook {
    let script: Script

    func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        switch try await self.script.answer(about: session.clientAddress.description) {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .next, .disconnect, .discard, .hold, .own: .next
        }
    }
}

struct HelloScript: ScriptedPlugin, HelloHook {
    let script: Script

    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
        switch try await self.script.answer(about: name) {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .next, .discard, .hold, .own: .next
        }
    }
}

struct SenderScript: ScriptedPlugin, SenderHook {
    let script: Script

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        switch try await self.script.answer(about: "\(transaction.envelope.reversePath)") {
        case .next: .next
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        case .own: .change(try self.script.senderEdits())
        }
    }
}

struct RecipientScript: ScriptedPlugin, RecipientHook {
    let script: Script

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        switch try await self.script.answer(about: "\(recipient.mailbox)") {
        case .next: .next
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        case .own: .change(try self.script.recipientEdits())
        }
    }
}

struct ResolverScript: ScriptedPlugin, RecipientResolver {
    let script: Script

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        switch try await self.script.answer(about: "\(mailbox)") {
        case .own: try self.script.resolution()
        case .next, .accept, .reject, .defer, .disconnect, .discard, .hold: .next
        }
    }
}

struct DataScript: ScriptedPlugin, DataHook {
    let script: Script

    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome {
        switch try await self.script.answer(about: "\(transaction.envelope.reversePath)") {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .next, .discard, .hold, .own: .next
        }
    }
}

extension Script {
    /// What a script says about a message.
    fileprivate func outcome(_ message: MessageContext) async throws -> MessageOutcome {
        let subject = message.header.fields.first { $0.name.lowercased() == "subject" }.map { "\($0.value)" } ?? ""
        return switch try await self.answer(about: subject) {
        case .next: .next
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        case .own: .change(try self.messageEdits())
        }
    }
}

struct HeaderScript: ScriptedPlugin, HeaderHook {
    let script: Script

    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { try await self.script.outcome(message) }
}

struct MessageScript: ScriptedPlugin, MessageHook {
    let script: Script

    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { try await self.script.outcome(message) }
}

struct RouteScript: ScriptedPlugin, RouteHook {
    let script: Script

    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        switch try await self.script.answer(about: "\(recipient.mailbox)") {
        case .own: .route(self.script.route())
        case .next, .accept, .reject, .defer, .disconnect, .discard, .hold: .next
        }
    }
}

struct QueuedScript: ScriptedPlugin, QueuedHook {
    let script: Script

    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        _ = try await self.script.answer(about: "\(transaction.envelope.reversePath)")
    }
}
