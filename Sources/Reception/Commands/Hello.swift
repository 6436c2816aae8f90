import MailHubPlugin
import SMTP

/// EHLO, HELO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section 4.1).
extension SMTPSession {
    func hello(_ hello: CommandSequence.Hello) -> Work? {
        switch self.sequence.hello(hello) {
        case .reply(let reply):
            self.refuse(reply)
        case .askHooks:
            self.contextChanged()
            guard !self.settings.hooks.hello.isEmpty else {
                self.accept(hello)
                return nil
            }
            let question = HelloQuestion(name: hello.name, session: self.context)
            return self.ask(question, self.settings.hooks.hello) { session, result in
                session.decide(hello, result)
                return nil
            }
        }
        return nil
    }

    private func accept(_ hello: CommandSequence.Hello) {
        self.reply(self.sequence.helloDecided(.accepted(self.welcome(hello))))
        self.transactionWasReset()
        self.tell(.hello(name: hello.name))
    }

    private func decide(_ hello: CommandSequence.Hello, _ result: ChainResult<Void, HelloOutcome>) {
        switch result {
        case .passed, .decided(.next, _), .decided(.accept, _):
            self.accept(hello)
        case .decided(.reject(let reply), _):
            self.refuseHello(reply.withClass(.permanentFailure, else: .policyRefusal))
        case .decided(.defer(let reply), _):
            self.refuseHello(reply.withClass(.transientFailure, else: .temporaryFailure))
        case .decided(.disconnect(let reply), _):
            self.disconnect(with: reply)
        case .failed:
            self.refuseHello(.temporaryFailure)
        }
    }

    private func refuseHello(_ reply: Reply) {
        self.refuse(self.sequence.helloDecided(.refused(reply)))
        self.contextChanged()  // to what it was before
    }

    /// What the hub can do (RFC 5321 section 4.1.1.1): the extensions of RFC 1870, 2034, 2920, 3030, 3461, 6152, 6531,
    /// and inside TLS 8689.
    private func welcome(_ hello: CommandSequence.Hello) -> Reply {
        let greeting = "\(self.settings.hostname) greets \(hello.name)"
        switch hello.kind {
        case .helo:
            return Reply(250, greeting)
        case .ehlo, .lhlo:
            var extensions = [
                "PIPELINING", "SIZE \(self.listener.limits.messageSize)", "EXPN", "HELP", "8BITMIME", "SMTPUTF8",
                "CHUNKING",
                "ENHANCEDSTATUSCODES", "DSN",
            ]
            if self.security != nil { extensions.append("REQUIRETLS") }
            if self.offersTLS { extensions.append("STARTTLS") }
            if let offer = self.authenticationOffer { extensions.append(offer) }
            return Reply(250, nil, lines: [greeting] + extensions)
        }
    }

    /// A plugin wants the session to end.
    func disconnect(with reply: Reply) {
        let text = reply.text
        switch reply.code.replyClass {
        case .permanentFailure: self.end(with: reply)
        case .completion, .intermediate, .transientFailure, .invalid:
            self.end(with: Reply(421, reply.enhanced ?? .init(7, 0), "\(self.settings.hostname) \(text)"))
        }
    }
}

private struct HelloQuestion: StageQuestion {
    let name: String
    let session: SessionContext

    func ask(_ hook: any HelloHook, _: inout Void) async throws -> ChainStep<HelloOutcome> {
        switch try await hook.hello(self.name, self.session) {
        case .next: .next
        case let outcome: .decided(outcome)
        }
    }
}

extension Reply {
    /// For a plugin that refuses with a reply of the wrong class.
    static let policyRefusal = Reply(550, .init(7, 1), "Refused by policy")
}
