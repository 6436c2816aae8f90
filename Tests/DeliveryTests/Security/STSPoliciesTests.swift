import MailHubPlugin
import SMTP
import Synchronization
import Testing

@testable import Delivery

@Suite("RFC 8461: how long a policy holds, and when it is fetched")
struct STSPoliciesTests {
    /// The world of a domain: its TXT records, its policy host, the time.
    private final class World: NameResolver, STSPolicySource {
        struct State {
            var texts: Lookup<[String]> = .found(["v=STSv1; id=1"])
            var answer = STSFetch.unreachable("down")
            var fetched: [String] = []
        }
        let state = Mutex(State())
        let clock = ManualClock()
        let store: MemoryKeyValueStore

        init() { self.store = MemoryKeyValueStore(clock: self.clock) }

        func policies() -> STSPolicies {
            STSPolicies(resolver: self, source: self, store: self.store, clock: self.clock, logger: .quiet)
        }

        func fetch(_ domain: String) async -> STSFetch {
            self.state.withLock {
                $0.fetched.append(domain)
                return $0.answer
            }
        }
        var fetched: Int { self.state.withLock { $0.fetched.count } }

        func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }
        func addresses(of host: String) async -> Lookup<[IPAddress]> { .notFound }
        func texts(of name: String) async -> Lookup<[String]> {
            name == "_mta-sts.a.example" ? self.state.withLock { $0.texts } : .notFound
        }
        func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
    }

    private static func policy(
        _ mode: STSPolicy.Mode = .enforce,
        host: String = "mx.a.example",
        maximumAge: Int = 172_800
    ) throws -> STSPolicy {
        try STSPolicy("version: STSv1\nmode: \(mode.rawValue)\nmx: \(host)\nmax_age: \(maximumAge)\n".utf8)
    }

    @Test("fetched once; held to for max_age, whatever vanishes; not longer (S8461-3.3-02)")
    func life() async throws {
        let world = World()
        let policy = try Self.policy()
        world.state.withLock { $0.answer = .policy(policy) }
        #expect(await world.policies().policy(for: "a.example") == .policy(policy))
        #expect(await world.policies().policy(for: "a.example") == .policy(policy))
        #expect(world.fetched == 1)
        for texts in [Lookup.notFound, .unavailable("SERVFAIL"), .found(["v=STSv1; id=2"])] {
            world.state.withLock {
                $0.texts = texts
                $0.answer = .unreachable("down")
            }
            world.clock.advance(by: .seconds(40_000))
            #expect(await world.policies().policy(for: "a.example") == .policy(policy), "\(texts)")
        }
        world.clock.advance(by: .seconds(60_000))
        #expect(await world.policies().policy(for: "a.example") == .failed(.stsPolicyFetchError))
    }

    @Test("another id: another policy, at the next attempt (S8461-5-01)")
    func change() async throws {
        let world = World()
        let (old, new) = (try Self.policy(), try Self.policy(host: "mx2.a.example"))
        world.state.withLock { $0.answer = .policy(old) }
        let policies = world.policies()
        #expect(await policies.policy(for: "a.example") == .policy(old))
        world.state.withLock { $0.answer = .policy(new) }
        #expect(await policies.policy(for: "a.example") == .policy(old))
        world.state.withLock { $0.texts = .found(["v=STSv1; id=2"]) }
        #expect(await policies.policy(for: "a.example") == .policy(new))
        let none = try Self.policy(.none)
        world.state.withLock {
            $0.texts = .found(["v=STSv1; id=3"])
            $0.answer = .policy(none)
        }
        #expect(await policies.policy(for: "a.example") == .none)
    }

    @Test("a host that gives no policy is left alone for five minutes")
    func pause() async throws {
        let world = World()
        let policies = world.policies()
        for _ in 0..<3 { #expect(await policies.policy(for: "a.example") == .failed(.stsPolicyFetchError)) }
        #expect(world.fetched == 1)
        world.clock.advance(by: .seconds(301))
        #expect(await policies.policy(for: "a.example") == .failed(.stsPolicyFetchError))
        #expect(world.fetched == 2)
        #expect(await policies.policy(for: "other.example") == .none)
        #expect(await policies.policy(for: "[192.0.2.1]") == .none)
        #expect(world.fetched == 2)
    }

    @Test("refreshed when a day old, so that its time begins anew")
    func refresh() async throws {
        let world = World()
        let policy = try Self.policy()
        world.state.withLock { $0.answer = .policy(policy) }
        let policies = world.policies()
        _ = await policies.policy(for: "a.example")
        await policies.refresh()
        #expect(world.fetched == 1)
        world.clock.advance(by: .seconds(90_000))
        await policies.refresh()
        #expect(world.fetched == 2)
        world.clock.advance(by: .seconds(100_000))
        #expect(await policies.policy(for: "a.example") == .policy(policy))
    }

    @Test("one that holds for a day or less is refreshed when half its life is over: it never lapses")
    func shortLife() async throws {
        let world = World()
        let policy = try Self.policy(maximumAge: 86_400)
        world.state.withLock { $0.answer = .policy(policy) }
        let policies = world.policies()
        _ = await policies.policy(for: "a.example")
        for _ in 0..<72 {
            world.clock.advance(by: .seconds(3600))
            await policies.refresh()
        }
        #expect(world.fetched == 7)
        world.state.withLock { $0.texts = .notFound }
        #expect(await policies.policy(for: "a.example") == .policy(policy))
    }

    @Test("many who ask at once wait for one fetch")
    func together() async throws {
        let world = World()
        let policy = try Self.policy()
        world.state.withLock { $0.answer = .policy(policy) }
        let policies = world.policies()
        let answers = await withTaskGroup(of: STSPolicies.Answer.self) { group in
            for _ in 0..<50 { group.addTask { await policies.policy(for: "a.example") } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: .policy(policy), count: 50))
        #expect(world.fetched == 1)
    }
}
