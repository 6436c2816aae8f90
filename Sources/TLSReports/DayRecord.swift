package import Delivery
import TransportSecurity

/// What came of the connections to a domain on one day, as it is kept on disk.
package struct DayRecord: Codable, Hashable, Sendable {
    /// Of one policy.
    struct Section: Codable, Hashable, Sendable {
        let policy: PolicyText
        var successes = 0
        var failures = 0
        var details: [Detail] = []
    }
    /// A policy in the words of a report (RFC 8460 section 4.4).
    struct PolicyText: Codable, Hashable, Sendable {
        let type: String
        let strings: [String]
        let hosts: [String]
    }
    /// Failures of one kind, at one host.
    struct Detail: Codable, Hashable, Sendable {
        let failure: TLSResult.Failure
        let host: String
        let address: String
        /// Our own address, the first time; `nil` where there was none.
        let sender: String?
        let reason: String
        var count = 1
    }
    private(set) var sections: [Section] = []

    /// The most that is kept of a day, so that it fits the store; what is beyond is only counted.
    private static let mostSections = 4
    private static let mostDetails = 20
    private static let longestReason = 100

    /// Nothing yet.
    package init() {}

    /// Counts a connection.
    package mutating func add(_ result: TLSResult) {
        let policy = PolicyText(result.policy)
        let index: Int
        if let known = self.sections.firstIndex(where: { $0.policy == policy }) {
            index = known
        } else {
            guard self.sections.count < Self.mostSections else { return }
            self.sections.append(Section(policy: policy))
            index = self.sections.count - 1
        }
        guard let failure = result.failure else { return self.sections[index].successes += 1 }
        self.sections[index].failures += 1
        let detail = Detail(
            failure: failure,
            host: result.host,
            address: result.address,
            sender: result.sender,
            reason: String(result.reason.prefix(Self.longestReason))
        )
        let known = self.sections[index].details.firstIndex { known in
            known.failure == failure && known.host == detail.host && known.address == detail.address
        }
        if let known {
            self.sections[index].details[known].count += 1
        } else if self.sections[index].details.count < Self.mostDetails {
            self.sections[index].details.append(detail)
        }
    }
}

extension DayRecord.PolicyText {
    init(_ policy: TLSResult.Policy) {
        switch policy {
        case .none: self.init(type: "no-policy-found", strings: [], hosts: [])
        case .tlsa(let records):
            self.init(type: "tlsa", strings: records.prefix(10).map { String($0.description.prefix(250)) }, hosts: [])
        case .sts(let policy):
            let hosts = Array(policy.hosts.prefix(10))
            let lines =
                ["version: STSv1", "mode: \(policy.mode.rawValue)"] + hosts.map { "mx: \($0)" }
                + ["max_age: \(policy.maximumAge)"]
            self.init(type: "sts", strings: lines, hosts: hosts)
        }
    }
}
