package import Logging
package import MailHubPlugin
package import SMTP

/// What a policy host answers.
package enum STSFetch: Hashable, Sendable {
    case policy(STSPolicy)
    /// The host does not answer, or with something else (RFC 8460 section 4.3: `sts-policy-fetch-error`).
    case unreachable(String)
    /// Its certificate is not trusted (`sts-webpki-invalid`).
    case insecure(String)
    /// It is no policy (`sts-policy-invalid`).
    case invalid(String)
}

/// Gets policies from `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 section 3.3).
package protocol STSPolicySource: Sendable {
    func fetch(_ domain: String) async -> STSFetch
}

/// The policies of recipient domains (RFC 8461): found, kept on disk as long as they hold, refreshed before that.
///
/// Whoever has been seen with a policy is held to it, even when an attacker makes the TXT record or the policy host vanish.
package actor STSPolicies {
    /// What is known of a domain.
    package enum Answer: Hashable, Sendable {
        /// It has none, or none that can be had: it is as if it had not.
        case none
        case policy(STSPolicy)
        /// It has a record, but no policy that can be had: as without one, but it may want to know.
        case failed(TLSResult.Failure)
        /// What was seen earlier cannot be read now: nobody knows.
        case unavailable(String)

        fileprivate var isNone: Bool {
            switch self {
            case .none, .failed: true
            case .policy, .unavailable: false
            }
        }
    }
    /// A fetch that failed, as it is kept.
    private struct Failed: Codable, Error {
        let id: String
        let failure: TLSResult.Failure
    }
    /// A policy as it is kept.
    private struct Kept: Codable {
        let id: String
        let policy: STSPolicy
        let fetched: Timestamp
    }
    private let resolver: any NameResolver
    private let source: any STSPolicySource
    private let store: any KeyValueStore
    private let clock: any WallClock
    private let logger: Logger
    /// Who waits for a policy that is being fetched for somebody else.
    private var waiting: [String: [CheckedContinuation<Answer, Never>]] = [:]

    /// How long a host that gave no policy is left alone (RFC 8461 section 3.3).
    private static let pause: Duration = .seconds(300)
    /// The age at which a policy is fetched anew, though it holds longer (section 10.2).
    private static func freshAge(of policy: STSPolicy) -> Duration {
        min(.seconds(86_400), .seconds(policy.maximumAge) / 2)
    }

    package init(
        resolver: any NameResolver,
        source: any STSPolicySource,
        store: any KeyValueStore,
        clock: any WallClock,
        logger: Logger
    ) {
        self.resolver = resolver
        self.source = source
        self.store = store
        self.clock = clock
        self.logger = logger
    }

    /// The policy that holds for a domain now.
    ///
    /// - Parameter domain: in canonical form.
    package func policy(for domain: String) async -> Answer {
        guard !domain.hasPrefix("[") else { return .none }
        if self.waiting[domain] != nil {
            return await withCheckedContinuation { self.waiting[domain, default: []].append($0) }
        }
        self.waiting[domain] = []
        var answer = await self.find(domain)
        // What a cancelled look-up has not found may be there.
        if Task.isCancelled, answer.isNone { answer = .unavailable("cancelled") }
        for continuation in self.waiting.removeValue(forKey: domain) ?? [] { continuation.resume(returning: answer) }
        return answer
    }

    private func find(_ domain: String) async -> Answer {
        do {
            let kept = try await self.store.value(Kept.self, for: "policy \(domain)")
            guard case .found(let texts) = await self.resolver.texts(of: "_mta-sts.\(domain)"),
                let record = STSRecord(texts)
            else { return Self.answer(kept) }
            guard kept?.id != record.id else { return Self.answer(kept) }
            if let failed = try await self.store.value(Failed.self, for: "failed \(domain)"), failed.id == record.id {
                return kept == nil ? .failed(failed.failure) : Self.answer(kept)
            }
            switch try await self.fetch(domain, id: record.id) {
            case .success(let fetched): return Self.answer(fetched)
            case .failure(let failed): return kept == nil ? .failed(failed.failure) : Self.answer(kept)
            }
        } catch {
            return .unavailable("\(error)")
        }
    }

    private static func answer(_ kept: Kept?) -> Answer {
        guard let policy = kept?.policy, policy.mode != .none else { return .none }
        return .policy(policy)
    }

    /// Fetches and keeps a policy, or why there is none to be had.
    private func fetch(_ domain: String, id: String) async throws -> Result<Kept, Failed> {
        let now = self.clock.now
        let (failure, reason): (TLSResult.Failure, String)
        switch await self.source.fetch(domain) {
        case .policy(let policy):
            let kept = Kept(id: id, policy: policy, fetched: now)
            let expires = now + .seconds(policy.maximumAge)
            try await self.store.set(kept, for: "policy \(domain)", expires: expires)
            self.logger.info(
                "MTA-STS policy",
                metadata: ["domain": "\(domain)", "mode": "\(policy.mode.rawValue)", "id": "\(id)"]
            )
            return .success(kept)
        case .unreachable(let why): (failure, reason) = (.stsPolicyFetchError, why)
        case .insecure(let why): (failure, reason) = (.stsWebPKIInvalid, why)
        case .invalid(let why): (failure, reason) = (.stsPolicyInvalid, "no policy: \(why)")
        }
        self.logger.notice("MTA-STS policy cannot be had", metadata: ["domain": "\(domain)", "error": "\(reason)"])
        let failed = Failed(id: id, failure: failure)
        try await self.store.set(failed, for: "failed \(domain)", expires: now + Self.pause)
        return .failure(failed)
    }

    /// Fetches all policies anew that are a day old, or have lived half their life: so that an attacker who blocks the way for a time finds a domain that is
    /// still held to its policy (RFC 8461 section 10.2).
    package func refresh() async {
        var last: String?
        do {
            while true {
                let entries = try await self.store.entries(withPrefix: "policy ", after: last, limit: 100)
                guard let end = entries.last else { return }
                last = end.key
                for entry in entries {
                    guard !Task.isCancelled else { return }
                    let kept = try await self.store.value(Kept.self, for: entry.key)
                    guard let kept, self.clock.now - kept.fetched >= Self.freshAge(of: kept.policy) else { continue }
                    let domain = String(entry.key.dropFirst("policy ".count))
                    var id = kept.id
                    if case .found(let texts) = await self.resolver.texts(of: "_mta-sts.\(domain)"),
                        let record = STSRecord(texts)
                    {
                        id = record.id
                    }
                    _ = try await self.fetch(domain, id: id)
                }
            }
        } catch {
            self.logger.warning("MTA-STS policies cannot be refreshed", metadata: ["error": "\(error)"])
        }
    }
}
