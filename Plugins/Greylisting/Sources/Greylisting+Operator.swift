import FoundationEssentials
public import MailHubPlugin

extension Greylisting: OperatorHook {
    /// `list`, `pass` and `remove`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [
            (
                "list [TEXT] [--limit N]",
                "shows what is remembered: of kind triplet, network or pass, or with TEXT in it"
            ),
            ("pass DOMAIN --for DURATION", "lets mail from a domain and those below it through"),
            ("remove KEY", "forgets an entry, whose key is as list shows it"),
        ]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        switch request.verb {
        case "list":
            let limit = try request.integer("limit", in: 1...100_000, default: 1000)
            return try await self.list(request.arguments.joined(separator: " "), limit: limit)
        case "pass":
            let text = try request.argument("DOMAIN")
            guard let domain = Domain(text) else { throw OperatorMistake("\"\(text)\" is not a domain name") }
            let duration = try request.duration("for")
            guard duration > .zero else { throw OperatorMistake("--for must be longer than nothing") }
            let until = try await self.greylist.letThrough(domain, for: duration)
            return OperatorAnswer(lines: ["mail from \(domain) is let through until \(Self.text(until))"])
        case "remove":
            // A key has spaces in it: with or without quotes, it is all that follows the verb.
            let key = request.arguments.joined(separator: " ")
            guard !key.isEmpty else { throw OperatorMistake("\"remove\" takes a KEY as \"list\" shows it") }
            guard try await self.greylist.remove(key) else { throw OperatorMistake("there is no entry \"\(key)\"") }
            return OperatorAnswer(lines: ["removed"])
        default:
            throw OperatorMistake("\"\(request.verb)\" is not list, pass or remove")
        }
    }

    private func list(_ text: String, limit: Int) async throws -> OperatorAnswer {
        let entries = try await self.greylist.entries(containing: text, limit: limit + 1)
        let rows = entries.prefix(limit).map { entry in
            [entry.key, Self.state(of: entry), entry.value.expires.map(Self.text) ?? "never"]
        }
        let lines = entries.count > limit ? ["there are more: give a TEXT, or --limit"] : []
        return OperatorAnswer(columns: ["key", "state", "expires"], rows: rows, lines: lines)
    }

    private static func state(of entry: KeyedValue) -> String {
        func record<Record: Decodable>(_ type: Record.Type) -> Record? {
            try? JSONDecoder().decode(type, from: Data(entry.value.data))
        }
        if entry.key.hasPrefix(GreylistKey.triplets), let triplet = record(TripletRecord.self) {
            return triplet.passed.map { "passed \(self.text($0))" } ?? "waiting since \(self.text(triplet.first))"
        }
        if entry.key.hasPrefix(GreylistKey.networks), let network = record(NetworkRecord.self) {
            return "\(network.successes) passed"
        }
        return entry.key.hasPrefix(GreylistKey.passes) ? "let through" : "unreadable"
    }

    private static func text(_ instant: Timestamp) -> String {
        Date(timeIntervalSince1970: Double(instant.milliseconds) / 1000).formatted(.iso8601)
    }
}
