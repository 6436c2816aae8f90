/// The header section of a message. (Placeholder interface: completed by the InternetMessage work.)
public struct HeaderSection: Hashable, Sendable {
    /// One field.
    public struct Field: Hashable, Sendable {
        /// The name as written.
        public let name: String
        /// The unfolded value, without leading and trailing white space; octets that are not UTF-8 are replaced.
        public let value: String
    }
    /// The fields in order.
    public let fields: [Field]
}
