import MailHubPlugin
import Synchronization

/// Asks next hops about recipients as soon as there are routes: plugins are made before them.
final class LateProbe: RecipientProbe {
    private let probe = Mutex<(any RecipientProbe)?>(nil)

    /// From now on this one is asked.
    func become(_ probe: any RecipientProbe) { self.probe.withLock { $0 = probe } }

    func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer {
        guard let probe = self.probe.withLock({ $0 }) else { return .unavailable("the hub is starting") }
        return await probe.probe(mailbox, route: route)
    }
}
