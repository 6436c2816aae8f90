/// States, in the facts of a session, that the client has authenticated (RFC 4954).
public struct AuthenticatedUser: Fact, Hashable {
    /// The authorization identity.
    public let name: String

    /// Names the user.
    public init(_ name: String) { self.name = name }
}
