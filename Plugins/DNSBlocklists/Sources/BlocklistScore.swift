public import MailHubPlugin

/// What lists say about a client or a sender's domain.
public struct BlocklistScore: Fact, Hashable {
    /// The sum of the weights.
    public var score = 0
    /// The zones that have listed it.
    public var zones: [String] = []

    /// Nothing said.
    public init() {}
}

/// Asks lists, all at once.
struct BlocklistQuery: Sendable {
    let lists: [Blocklist]
    let resolver: any NameResolver
    let health: ZoneHealth
    /// How long to wait for all of them; a list that has not answered then is unavailable.
    let timeLimit: Duration

    /// What one list says.
    struct Result: Sendable {
        let list: Blocklist
        let name: String
        let meaning: Blocklist.Meaning
    }

    /// What the lists say about a client.
    func ask(about address: IPAddress) async -> [Result] {
        let kind: ZoneHealth.Part.Kind = if case .ipv4 = address { .ipv4 } else { .ipv6 }
        let family: Blocklist.Family = kind == .ipv4 ? .ipv4 : .ipv6
        return await self.ask(kind) { list in
            list.subject == .client && list.families.contains(family) ? QueryName.of(address, in: list.zone) : nil
        }
    }

    /// What the lists say about a sender's domain.
    func ask(about domain: Domain) async -> [Result] {
        await self.ask(.domain) { $0.subject == .senderDomain ? QueryName.of(domain, in: $0.zone) : nil }
    }

    private func ask(_ kind: ZoneHealth.Part.Kind, name: (Blocklist) -> String?) async -> [Result] {
        let asked = self.lists.compactMap { list in name(list).map { (list: list, name: $0) } }
        guard !asked.isEmpty else { return [] }
        let parts = Set(asked.map { ZoneHealth.Part(zone: $0.list.zone, kind: kind) })
        let tests = parts.compactMap { part in self.health.testNames(of: part).map { (part: part, names: $0) } }
        let names = Set(asked.map(\.name) + tests.flatMap { [$0.names.present, $0.names.absent] })
        let answers = await self.lookUp(names)
        let late = Lookup<[IPAddress]>.unavailable("no answer in time")
        for test in tests {
            self.health.note(
                present: answers[test.names.present] ?? late,
                absent: answers[test.names.absent] ?? late,
                for: test.part
            )
        }
        return asked.map { list, name in
            let fault = self.health.fault(of: ZoneHealth.Part(zone: list.zone, kind: kind))
            let meaning = fault.map { .unavailable($0) } ?? list.meaning(of: answers[name] ?? late)
            return Result(list: list, name: name, meaning: meaning)
        }
    }

    private func lookUp(_ names: Set<String>) async -> [String: Lookup<[IPAddress]>] {
        await withTaskGroup(of: (name: String, answer: Lookup<[IPAddress]>)?.self) { group in
            for name in names {
                group.addTask { (name, await self.resolver.addresses(of: name)) }
            }
            group.addTask {
                try? await Task.sleep(for: self.timeLimit)
                return nil
            }
            var answers: [String: Lookup<[IPAddress]>] = [:]
            while answers.count < names.count, let next = await group.next(), let (name, answer) = next {
                answers[name] = answer
            }
            group.cancelAll()
            return answers
        }
    }
}
