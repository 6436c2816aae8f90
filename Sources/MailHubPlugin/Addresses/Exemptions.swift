public import SMTP

/// Whom a policy spares: a section of a plugin's configuration that reads the same everywhere.
///
/// A sender's domain is only what the client claims: sparing one spares everybody who claims it.
public struct Exemptions: Sendable {
    /// Client networks.
    public var networks: [IPNetwork]
    /// Names of listeners.
    public var listeners: Set<String>
    /// Whether clients of `relayNetworks` are spared.
    public var relayClients: Bool
    /// Whether authenticated sessions are spared.
    public var authenticated: Bool
    /// Sender domains; what lies below them is spared too.
    public var senderDomains: Set<Domain>
    private var recipients: Set<AddressPattern>
    private var localParts: Set<String>

    /// Reads `"networks"`, `"listeners"`, `"relayClients"`, `"authenticated"`, `"senderDomains"` and `"recipients"`.
    ///
    /// - Parameters:
    ///   - section: `nil`: only relay clients and authenticated sessions are spared.
    ///   - sparesTrusted: `false` for a policy that has its own idea of relay clients and authenticated sessions: their keys
    ///     are not read, and they are not spared.
    ///   - defaultRecipients: those that are spared where the section does not say `"recipients"`.
    public init(
        reading section: ConfigurationSection?,
        sparesTrusted: Bool = true,
        defaultRecipients: [String] = []
    ) {
        self.networks = section?.networks("networks") ?? []
        self.listeners = Set(section?.listeners("listeners") ?? [])
        self.relayClients = sparesTrusted && section?.boolean("relayClients", default: true) ?? true
        self.authenticated = sparesTrusted && section?.boolean("authenticated", default: true) ?? true
        let domains = section?.values("senderDomains", expected: "a domain name") { Domain($0) }
        self.senderDomains = Set(domains ?? [])
        self.recipients = []
        self.localParts = []
        let form = "\(AddressPattern.form), or a local part such as \"postmaster\" for all domains"
        let recipients = section?.values("recipients", expected: form, RecipientEntry.init)
        for entry in recipients ?? defaultRecipients.compactMap({ RecipientEntry($0) }) {
            switch entry {
            case .everywhere(let localPart): self.localParts.insert(localPart)
            case .pattern(.mailbox(let mailbox)): self.recipients.insert(.mailbox(mailbox.caseFolded))
            case .pattern(.domain(let domain)): self.recipients.insert(.domain(domain))
            }
        }
    }

    private enum RecipientEntry {
        case everywhere(String)
        case pattern(AddressPattern)

        init?(_ text: String) {
            if let pattern = AddressPattern(text) {
                self = .pattern(pattern)
            } else if !text.contains("@"), LocalPart(unquoted: text) != nil {
                self = .everywhere(text.lowercased())
            } else {
                return nil
            }
        }
    }

    /// Whether the session's client is spared, whatever it sends.
    public func cover(_ session: SessionContext) -> Bool {
        (self.relayClients && session.isRelayClient)
            || (self.authenticated && session.authenticatedIdentity != nil)
            || self.listeners.contains(session.listener)
            || self.networks.contains { $0.contains(session.clientAddress) }
    }

    /// Whether mail of a sender is spared; the null reverse-path never is.
    public func cover(_ sender: ReversePath) -> Bool {
        guard !self.senderDomains.isEmpty, let domain = sender.mailbox?.domain else { return false }
        return domain.withParents.contains { self.senderDomains.contains($0) }
    }

    /// Whether mail to a recipient is spared: by the address that the client named, or by the one that an alias stands for.
    public func cover(_ recipient: EnvelopeRecipient) -> Bool {
        self.cover(recipient.mailbox) || recipient.named.map { self.cover($0) } ?? false
    }

    private func cover(_ recipient: Mailbox) -> Bool {
        if self.localParts.contains(recipient.localPart.value.lowercased()) { return true }
        if self.recipients.isEmpty { return false }
        return self.recipients.contains(.mailbox(recipient.caseFolded))
            || recipient.domain.map { self.recipients.contains(.domain($0)) } ?? false
    }
}

extension Domain {
    /// The domain itself, then those above it in the DNS tree, ten at most.
    public var withParents: [Domain] {
        var result = [self]
        var rest = self.canonical[...]
        while result.count < 10, let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let parent = Domain(rest) { result.append(parent) }
        }
        return result
    }
}
