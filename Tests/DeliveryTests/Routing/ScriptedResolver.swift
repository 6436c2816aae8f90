import MailHubPlugin
import SMTP
import Synchronization

/// A DNS of a few names; `!` in place of an answer means that there is none to be had.
final class ScriptedResolver: ValidatingResolver {
    private let exchangers: [String: [MailExchanger]?]
    private let hosts: [String: [String]?]
    /// What was asked, in order.
    let asked = Mutex<[String]>([])

    /// - Parameters:
    ///   - mx: `preference host` each; `nil` for SERVFAIL, no entry for NXDOMAIN, an empty list for no such records.
    ///   - hosts: addresses; the same.
    init(mx: [String: [String]?] = [:], hosts: [String: [String]?] = [:]) {
        self.exchangers = mx.mapValues { records in
            records?.map { record in
                let parts = record.split(separator: " ")
                return MailExchanger(
                    preference: UInt16(parts[0]) ?? 0,
                    host: parts.count > 1 ? String(parts[1]) : ""
                )
            }
        }
        self.hosts = hosts
    }

    private func note(_ question: String) { self.asked.withLock { $0.append(question) } }

    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> {
        self.note("MX \(domain)")
        guard let answer = self.exchangers[domain] else { return self.hosts[domain] == nil ? .notFound : .found([]) }
        return answer.map { .found($0) } ?? .unavailable("SERVFAIL")
    }

    func addresses(of host: String) async -> Lookup<[IPAddress]> {
        self.note("A \(host)")
        guard let answer = self.hosts[host] else { return .notFound }
        guard let answer else { return .unavailable("SERVFAIL") }
        return answer.isEmpty ? .notFound : .found(answer.compactMap { IPAddress($0) })
    }

    func texts(of name: String) async -> Lookup<[String]> { .notFound }
    func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
}
