import SMTP
import Synchronization

/// A thing that one plugin states and others may read: a type, so that nobody mistypes its name.
public protocol Fact: Codable, Sendable {
    /// Names the fact in logs.
    static var name: String { get }
}

extension Fact {
    /// The type's name.
    public static var name: String { String(describing: Self.self) }
}

/// The facts of a session, a recipient, or a transaction and its message.
public final class Facts: Sendable {
    private let values = Mutex<[ObjectIdentifier: any Fact]>([:])
    /// By the mailbox that the client has named.
    private let recipients = Mutex<[Mailbox: Facts]>([:])

    /// No facts yet.
    public init() {}

    /// Those of one recipient.
    func ofRecipient(_ mailbox: Mailbox) -> Facts {
        self.recipients.withLock { recipients in
            if let facts = recipients[mailbox] { return facts }
            let facts = Facts()
            recipients[mailbox] = facts
            return facts
        }
    }

    /// The fact of the given type; setting `nil` takes it back.
    public subscript<F: Fact>(_ type: F.Type) -> F? {
        get { self.values.withLock { $0[ObjectIdentifier(type)] as? F } }
        set { self.values.withLock { $0[ObjectIdentifier(type)] = newValue } }
    }
}
