public import MailHubPlugin
import Synchronization

/// A DNS that knows what a test tells it; what it was not told does not exist.
public final class ScriptedResolver: NameResolver {
    private struct Zone {
        var exchangers: [String: Lookup<[MailExchanger]>] = [:]
        var addresses: [String: Lookup<[IPAddress]>] = [:]
        var texts: [String: Lookup<[String]>] = [:]
        var names: [IPAddress: Lookup<[String]>] = [:]
        var isDown = false
        var asked: [String] = []
    }
    private let zone = Mutex(Zone())

    /// Knows nothing yet.
    public init() {}

    /// Every look-up is `unavailable` from now on; `false` ends that.
    public func setDown(_ isDown: Bool) { self.zone.withLock { $0.isDown = isDown } }

    /// Sets the MX records of a domain.
    public func set(exchangers: Lookup<[MailExchanger]>, of domain: String) {
        self.zone.withLock { $0.exchangers[domain] = exchangers }
    }

    /// Sets the addresses of a host.
    public func set(addresses: Lookup<[IPAddress]>, of host: String) {
        self.zone.withLock { $0.addresses[host] = addresses }
    }

    /// Sets the TXT records of a name.
    public func set(texts: Lookup<[String]>, of name: String) { self.zone.withLock { $0.texts[name] = texts } }

    /// Sets the names of an address.
    public func set(names: Lookup<[String]>, of address: IPAddress) { self.zone.withLock { $0.names[address] = names } }

    /// The names that were asked for, in order.
    public var asked: [String] { self.zone.withLock { $0.asked } }

    private func answer<Value>(
        _ name: String,
        _ look: (borrowing Zone) -> Lookup<Value>?
    ) -> Lookup<Value> {
        self.zone.withLock { zone in
            zone.asked.append(name)
            return zone.isDown ? .unavailable("the test says so") : look(zone) ?? .notFound
        }
    }

    /// The MX records of a domain.
    public func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> {
        self.answer(domain) { $0.exchangers[domain] }
    }

    /// The addresses of a host.
    public func addresses(of host: String) async -> Lookup<[IPAddress]> { self.answer(host) { $0.addresses[host] } }

    /// The TXT records of a name.
    public func texts(of name: String) async -> Lookup<[String]> { self.answer(name) { $0.texts[name] } }

    /// The names of an address.
    public func names(of address: IPAddress) async -> Lookup<[String]> {
        self.answer("\(address)") { $0.names[address] }
    }
}
