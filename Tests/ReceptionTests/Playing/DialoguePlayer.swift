import MailHubPlugin
import MailHubPluginTesting
import MailQueue
import SMTP
import Testing

@testable import Reception

/// Plays a dialogue against a session of its own.
struct DialoguePlayer {
    /// In which pieces the client's octets arrive.
    enum Pieces: String, CaseIterable, Sendable {
        /// Each line of the dialogue when its turn has come.
        case asWritten = "line by line"
        /// Everything in one write, before the first reply is read (RFC 2920).
        case pipelined = "in one write"
        case octets = "octet by octet"
    }

    struct Malformed: Error { let setting: String }

    let dialogue: Dialogue
    let pieces: Pieces

    func play() async throws {
        if self.pieces == .pipelined, self.dialogue.pipelined == nil { return }
        let intake = try self.intake()
        let client = try await SessionClient.connect(to: self.server(intake))
        if self.pieces == .pipelined, let octets = self.dialogue.pipelined { await client.send(octets) }
        for step in self.dialogue.steps {
            guard try await self.take(step, client) else { return }
        }
        #expect(try await client.rest() == "", "more than the dialogue has: \(client.transcript)")
        await client.disconnect()
        try await client.finished()
        #expect(try await client.rest() == "", "said behind the end: \(client.transcript)")
        try await self.check(intake)
    }

    /// - Returns: whether it makes sense to go on.
    private func take(_ step: Dialogue.Step, _ client: SessionClient) async throws -> Bool {
        switch step {
        case .send(let octets): await self.send(octets, client)
        case .line(let pattern):
            let line = try await client.line() ?? "(closed)"
            #expect(line.matches(pattern: pattern), "expected \(pattern), got \(line) in \(client.transcript)")
            return line.matches(pattern: pattern)
        case .reply(let pattern):
            let reply = try await client.reply() ?? "(closed)"
            let lines = reply.split(separator: "\n")
            let wanted = pattern.utf8.count == 3 ? "\(pattern) *" : pattern
            let isRight = lines.last?.matches(pattern: wanted) ?? false
            #expect(isRight, "expected \(pattern), got \(reply) in \(client.transcript)")
            #expect(lines.allSatisfy { $0.hasPrefix(pattern.prefix(3)) })
            return isRight
        case .advance(let seconds): try await client.advance(seconds: seconds)
        case .disconnect: await client.disconnect()
        case .closed:
            let line = try await client.line()
            #expect(line == nil, "not closed: \(client.transcript)")
        case .quiet:
            let rest = try await client.rest()
            #expect(rest == "", "not silent: \(client.transcript)")
        case .shutDown: await client.session.shutDown()
        }
        return true
    }

    private func send(_ octets: [UInt8], _ client: SessionClient) async {
        switch self.pieces {
        case .asWritten: await client.send(octets)
        case .pipelined: break
        case .octets:
            await client.send(reads: octets.prefix(2000).lazy.map { [$0] })
            var rest = octets.dropFirst(2000)
            while !rest.isEmpty {
                await client.send(rest.prefix(997))
                rest = rest.dropFirst(997)
            }
        }
    }

    // MARK: Settings

    private func intake() throws -> RecordingIntake {
        switch self.dialogue.value(of: "store") {
        case nil: try RecordingIntake()
        case "full": try RecordingIntake(fault: .noSpace)
        case "unavailable": try RecordingIntake(fault: .unavailable("test"))
        case "no folder": try RecordingIntake(hasFolder: false)
        case .some(let other): throw Malformed(setting: other)
        }
    }

    private func server(_ intake: RecordingIntake) throws -> SessionClient.Server {
        var plugins: [ConfiguredPlugin] = []
        var limits = SessionLimits()
        var client = "192.0.2.7"
        var named = Mailbox("postmaster@example.org")
        var role = ListenerRole.mx
        var isRelayClient = false
        var answersVerify = false
        for (key, value) in self.dialogue.settings {
            switch key {
            case "plugin":
                let script = try Script(value)
                guard let plugin = script.plugin else { throw Malformed(setting: value) }
                plugins.append(
                    ConfiguredPlugin(
                        name: value,
                        plugin: plugin,
                        timeLimit: .seconds(10),
                        onFailure: script.ignoresFailure ? .ignore : .defer
                    )
                )
            case "client": client = value
            case "postmaster":
                guard let mailbox = Mailbox(value) else { throw Malformed(setting: value) }
                named = mailbox
            case "relay": isRelayClient = value == "yes"
            case "verify": answersVerify = value == "yes"
            case "role":
                guard let named = ListenerRole(rawValue: value) else { throw Malformed(setting: value) }
                role = named
            case "limits":
                for word in value.split(separator: " ") { try Self.set(word, in: &limits) }
            case "store", "pipelined": break
            default: throw Malformed(setting: key)
            }
        }
        guard let address = IPAddress(client), let host = Domain("hub.example.org"), let first = Domain("example.org"),
            let second = Domain("example.com"), let postmaster = named
        else { throw Malformed(setting: client) }
        return SessionClient.Server(
            listener: ListenerSettings(
                name: "test",
                address: "192.0.2.25",
                port: 25,
                role: role,
                limits: limits,
                answersVerify: answersVerify
            ),
            settings: ReceptionSettings(
                host: host,
                servedDomains: [first, second],
                relayNetworks: isRelayClient ? [IPNetwork(containing: address, prefixLength: 32)] : [],
                postmaster: postmaster,
                hooks: HookChains(plugins)
            ),
            intake: intake,
            client: address
        )
    }

    private static func set(_ word: some StringProtocol, in limits: inout SessionLimits) throws {
        let parts = word.split(separator: "=")
        guard parts.count == 2, let number = Int(parts[1]) else { throw Malformed(setting: String(word)) }
        switch parts[0] {
        case "messages": limits.messages = number
        case "recipients": limits.recipients = number
        case "errors": limits.errors = number
        case "size": limits.messageSize = number
        case "messagesPerClient": limits.messagesPerClient = number
        case "recipientsPerClient": limits.recipientsPerClient = number
        case "errorsPerClient": limits.errorsPerClient = number
        default: throw Malformed(setting: String(word))
        }
    }

    // MARK: What is stored

    private func check(_ intake: RecordingIntake) async throws {
        let stored = intake.messages
        #expect(stored.count == self.dialogue.messages.count, "number of stored messages")
        #expect(Set(intake.files) == Set(stored.compactMap { $0.content.fileName }), "files left over, or missing")
        for (message, expectation) in zip(stored, self.dialogue.messages) {
            let sender = message.senderDescription
            #expect(sender.matches(pattern: expectation.sender), "sender: \(sender)")
            let recipients = message.envelope.recipients.map(\.wholeDescription)
            #expect(recipients.count == expectation.recipients.count, "recipients: \(recipients)")
            for (recipient, pattern) in zip(recipients, expectation.recipients) {
                #expect(recipient.matches(pattern: pattern), "recipient: \(recipient), expected \(pattern)")
            }
            let octets = try await intake.octets(of: message)
            #expect(octets.count == message.content.size)
            let (trace, content) = Self.split(octets)
            if let expected = expectation.content {
                let isRight = content.elementsEqual(expected)
                #expect(isRight, "content: \(String(decoding: content.prefix(2000), as: UTF8.self).debugDescription)")
            }
            let pattern = expectation.trace ?? "Received: from * by hub.example.org with * id \(message.id)*; *"
            #expect(trace.matches(pattern: pattern), "trace: \(trace)")
        }
    }

    /// The unfolded Received field on top, and the rest.
    private static func split(_ octets: [UInt8]) -> (trace: String, content: ArraySlice<UInt8>) {
        var end = octets.startIndex
        while let next = octets[end...].firstIndex(of: 0x0A) {
            end = next + 1
            guard end < octets.count, octets[end] == 0x20 || octets[end] == 0x09 else { break }
        }
        let field = String(decoding: octets[..<end], as: UTF8.self)
        return (field.split { $0.isWhitespace }.joined(separator: " "), octets[end...])
    }
}

extension NewMessage {
    /// Sender and parameters of MAIL, as dialogues write them.
    var senderDescription: String {
        let envelope = self.envelope
        return [
            "<\(envelope.reversePath)>", envelope.body.map { "BODY=\($0.rawValue)" },
            envelope.isInternationalized ? "SMTPUTF8" : nil, envelope.returnContent.map { "RET=\($0.rawValue)" },
            envelope.envelopeIdentifier.map { "ENVID=\($0)" }, envelope.declaredSize.map { "SIZE=\($0)" },
            self.holdReason.map { "HOLD=\($0)" },
        ].compactMap { $0 }.joined(separator: " ")
    }
}

extension EnvelopeRecipient {
    /// The recipient with its parameters, as dialogues write them.
    var wholeDescription: String {
        [
            "<\(self.mailbox)>", self.notify.map { "NOTIFY=\($0.parameterValue)" },
            self.originalRecipient.map { "ORCPT=\($0)" }, self.route.map { "ROUTE=\($0)" },
            self.reversePath.map { "OWNER=<\($0)>" },
        ].compactMap { $0 }.joined(separator: " ")
    }
}
