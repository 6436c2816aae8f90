public import MailHubPlugin

extension RateLimits: OperatorHook {
    /// `list` and `reset`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [
            ("list [--limit N]", "shows who has used up most of each limit"),
            ("reset KEY", "gives a client network, user, sender or recipient its whole burst again"),
        ]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        switch request.verb {
        case "list":
            let most = try request.integer("limit", in: 1...10_000, default: 20)
            let rows = self.buckets.emptiest(most, at: self.clock.now).map { entry in
                [entry.limit.name, entry.key, "\(Int(max(entry.tokens, 0))) of \(entry.limit.burst)"]
            }
            return OperatorAnswer(columns: ["limit", "key", "left"], rows: rows)
        case "reset":
            let key = try request.argument("KEY")
            let count = self.buckets.reset(key)
            guard count > 0 else { throw OperatorMistake("\"\(key)\" has used up nothing") }
            return OperatorAnswer(lines: ["reset in \(count) limit\(count == 1 ? "" : "s")"])
        default:
            throw OperatorMistake("\"\(request.verb)\" is not list or reset")
        }
    }
}
