public import MailHubPlugin
import NIOCore

/// A session as a plugin sees it.
public func session(
    from address: String = "192.0.2.1",
    listener: String = "mx",
    role: ListenerRole = .mx,
    isRelayClient: Bool = false,
    user: String? = nil
) -> SessionContext {
    SessionContext(
        identifier: "s1",
        clientAddress: IPAddress(address) ?? .ipv4(0),
        listener: listener,
        role: role,
        helloName: "client.example",
        isRelayClient: isRelayClient,
        authenticatedIdentity: user,
        facts: Facts(),
        logger: Logger(label: "test")
    )
}

/// A transaction as a plugin sees it.
public func transaction(from sender: String = "sender@example.com", to recipients: [String] = []) -> TransactionContext
{
    let envelope = Envelope(reversePath: ReversePath(sender) ?? .null, recipients: recipients.map { recipient($0) })
    return TransactionContext(envelope: envelope, queueIdentifier: "q1", facts: Facts())
}

/// A recipient of an envelope.
public func recipient(_ address: String) -> EnvelopeRecipient {
    let nobody = Mailbox("malformed@test.invalid")
    guard let mailbox = Mailbox(address) ?? nobody else { preconditionFailure("not an address: \(address)") }
    return EnvelopeRecipient(mailbox)
}
