/// A JSON value with its place (RFC 8259).
package struct JSONNode: Sendable {
    /// The kinds of JSON values.
    package enum Value: Sendable {
        case object([Member])
        case array([JSONNode])
        case string(String)
        /// As written.
        case number(String)
        case boolean(Bool)
        case null
    }

    /// One member of an object.
    package struct Member: Sendable {
        package let key: String
        package let keyPosition: SourcePosition
        package let value: JSONNode
    }
    package let value: Value
    package let position: SourcePosition

    /// What the value is, for messages.
    var kind: String {
        switch self.value {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number(let text): text
        case .boolean(let value): "\(value)"
        case .null: "null"
        }
    }
}
