import FoundationEssentials
public import MailHubPlugin

extension CallAhead: OperatorHook {
    /// `show`, `ask` and `remove`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [
            ("show ADDRESS", "shows what is remembered about a recipient"),
            ("ask ADDRESS", "asks the next hop about a recipient now, and remembers the answer"),
            ("remove ADDRESS", "forgets a recipient"),
        ]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        guard ["show", "ask", "remove"].contains(request.verb) else {
            throw OperatorMistake("\"\(request.verb)\" is not show, ask or remove")
        }
        let text = try request.argument("ADDRESS")
        guard let mailbox = Mailbox(text) else { throw OperatorMistake("\"\(text)\" is not a mail address") }
        let key = ProbeCache.key(of: mailbox, route: self.route)
        switch request.verb {
        case "show": return OperatorAnswer(lines: [try await self.state(of: mailbox, key)])
        case "ask":
            return switch await self.ask(about: mailbox, within: .seconds(60)) {
            case .exists: OperatorAnswer(lines: ["\(mailbox) exists"])
            case .doesNotExist(let reply): OperatorAnswer(lines: ["\(mailbox) does not exist: \(reply)"])
            case .unavailable(let reason): OperatorAnswer(lines: ["the next hop cannot be asked: \(reason)"])
            }
        default:
            guard try await self.cache.remove(key) else {
                throw OperatorMistake("nothing is remembered about \(mailbox)")
            }
            return OperatorAnswer(lines: ["removed"])
        }
    }

    private func state(of mailbox: Mailbox, _ key: String) async throws -> String {
        guard let record = try await self.cache.record(key) else { return "nothing is remembered about \(mailbox)" }
        let instant = Date(timeIntervalSince1970: Double(record.at.milliseconds) / 1000).formatted(.iso8601)
        return "\(mailbox) \(record.exists ? "existed" : "did not exist") at \(instant)"
            + (record.reply.map { ": \($0)" } ?? "")
    }
}
