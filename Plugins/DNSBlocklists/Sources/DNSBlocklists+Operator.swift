public import MailHubPlugin

extension DNSBlocklists: OperatorHook {
    /// `test` and `lists`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [
            ("test ADDRESS|DOMAIN", "shows what each list says about a client's address or a sender's domain"),
            ("lists", "shows the lists, and which of them are not believed"),
        ]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        switch request.verb {
        case "test":
            let text = try request.argument("ADDRESS or DOMAIN")
            let results: [BlocklistQuery.Result]
            if let address = IPAddress(text) {
                results = await self.query.ask(about: address)
            } else if let domain = Domain(text) {
                results = await self.query.ask(about: domain)
            } else {
                throw OperatorMistake("\"\(text)\" is neither an IP address nor a domain name")
            }
            let rows = results.map { result in
                let (answer, weight) = Self.describe(result)
                return [result.list.zone.canonical, answer, "\(weight)"]
            }
            return OperatorAnswer(columns: ["zone", "answer", "weight"], rows: rows)
        case "lists":
            return OperatorAnswer(columns: ["zone", "of", "weight", "state"], rows: self.query.lists.map(self.row))
        default:
            throw OperatorMistake("\"\(request.verb)\" is not test or lists")
        }
    }

    private static func describe(_ result: BlocklistQuery.Result) -> (answer: String, weight: Int) {
        switch result.meaning {
        case .notListed: ("not listed", 0)
        case .listed(let codes): ("listed: \(codes.map(\.description).joined(separator: " "))", result.list.weight)
        case .unavailable(let reason): ("unavailable: \(reason)", result.list.weightUnavailable)
        }
    }

    private func row(of list: Blocklist) -> [String] {
        let kinds: [ZoneHealth.Part.Kind] = list.subject == .senderDomain ? [.domain] : [.ipv4, .ipv6]
        let faults = kinds.compactMap { kind in
            self.query.health.fault(of: ZoneHealth.Part(zone: list.zone, kind: kind)).map { "\(kind.rawValue): \($0)" }
        }
        let state = faults.isEmpty ? "believed" : "not believed, \(faults.joined(separator: ", "))"
        return [list.zone.canonical, list.subject.rawValue, "\(list.weight)", state]
    }
}
