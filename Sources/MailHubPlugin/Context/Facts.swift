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

/// The facts of a session, a transaction, a recipient or a message.
public final class Facts: Sendable {
    private let values = Mutex<[ObjectIdentifier: any Fact]>([:])

    /// No facts yet.
    public init() {}

    /// The fact of the given type; setting `nil` takes it back.
    public subscript<F: Fact>(_ type: F.Type) -> F? {
        get { self.values.withLock { $0[ObjectIdentifier(type)] as? F } }
        set { self.values.withLock { $0[ObjectIdentifier(type)] = newValue } }
    }
}
