/// A filter of a directory search (RFC 4515): values are escaped when it is written, so no address can change its meaning.
public indirect enum DirectoryFilter: Hashable, Sendable {
    /// The attribute has the value.
    case equals(String, String)
    /// The attribute is there.
    case present(String)
    /// The attribute has a value that begins with the text.
    case begins(String, String)
    /// A matching rule by its name or object identifier, such as 1.2.840.113556.1.4.1941 for nested groups.
    case matches(rule: String, attribute: String, value: String)
    /// All hold.
    case and([DirectoryFilter])
    /// At least one holds.
    case or([DirectoryFilter])
    /// It does not hold.
    case not(DirectoryFilter)
    /// The filter's text from a configuration file, as it is.
    case text(String)
}

extension DirectoryFilter: CustomStringConvertible {
    /// The string form (RFC 4515 section 3).
    public var description: String {
        switch self {
        case .equals(let attribute, let value): "(\(attribute)=\(Self.escaped(value)))"
        case .present(let attribute): "(\(attribute)=*)"
        case .begins(let attribute, let value): "(\(attribute)=\(Self.escaped(value))*)"
        case .matches(let rule, let attribute, let value): "(\(attribute):\(rule):=\(Self.escaped(value)))"
        case .and(let filters): "(&\(filters.map(\.description).joined()))"
        case .or(let filters): "(|\(filters.map(\.description).joined()))"
        case .not(let filter): "(!\(filter.description))"
        case .text(let text): text.hasPrefix("(") ? text : "(\(text))"
        }
    }

    /// A value with a backslash and two hexadecimal digits for each octet that could mean something (RFC 4515 section 3).
    public static func escaped(_ value: String) -> String {
        var result: [UInt8] = []
        let digits = Array("0123456789abcdef".utf8)
        for byte in value.utf8 {
            switch byte {
            case 0..<0x20, UInt8(ascii: "*"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\\"), 0x7F...:
                result += [UInt8(ascii: "\\"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            default: result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// What to look for in a directory (RFC 4511 section 4.5.1).
public struct DirectorySearch: Hashable, Sendable {
    /// How deep to look.
    public enum Scope: String, Hashable, Sendable, CaseIterable {
        /// The entry named by the base.
        case base
        /// Its children.
        case one
        /// All below it, itself included.
        case subtree
    }
    /// The distinguished name to begin at; `nil` for the base of the configuration.
    public var base: String?
    /// How deep.
    public var scope: Scope
    /// What entries must be like.
    public var filter: DirectoryFilter
    /// The attributes wanted.
    public var attributes: [String]
    /// The most entries wanted; more are an error of the directory's data, told as `unavailable`.
    public var limit: Int

    /// Makes a search.
    public init(
        base: String? = nil,
        scope: Scope = .subtree,
        filter: DirectoryFilter,
        attributes: [String],
        limit: Int = 1000
    ) {
        self.base = base
        self.scope = scope
        self.filter = filter
        self.attributes = attributes
        self.limit = limit
    }
}

/// An entry of a directory.
public struct DirectoryEntry: Hashable, Sendable, Codable {
    /// Its distinguished name.
    public let name: String
    /// Values by attribute, the attribute's name in lower case; values that are not UTF-8 are repaired.
    public let attributes: [String: [String]]

    /// Makes an entry; attribute names are put in lower case.
    public init(name: String, attributes: [String: [String]]) {
        self.name = name
        self.attributes = Dictionary(attributes.map { ($0.key.lowercased(), $0.value) }) { $0 + $1 }
    }

    /// The values of an attribute, whose name is taken in any case; empty where there are none.
    public subscript(attribute: String) -> [String] { self.attributes[attribute.lowercased()] ?? [] }
}

/// Which attributes a directory uses for mail.
public enum DirectoryProfile: String, Hashable, Sendable, Codable, CaseIterable {
    /// inetOrgPerson, inetLocalMailRecipient, groupOfNames.
    case openldap
    /// Active Directory: proxyAddresses, mail, userAccountControl, mail-enabled groups.
    case activeDirectory
}

/// The site's directory (LDAP, RFC 4511), as plugins see it: `"directory"` in config.json.
public protocol Directory: Sendable {
    /// Where searches begin unless they say otherwise.
    var base: String { get }

    /// What kind of directory it is.
    var profile: DirectoryProfile { get }

    /// Finds entries; large answers are fetched in pages.
    ///
    /// - Returns: `notFound` where there is none, also for a base of the search's own that does not exist; `unavailable` where
    ///   no server answers in time, where the configured base is not there, and for every error that is not a plain "no".
    func search(_ search: DirectorySearch) async -> Lookup<[DirectoryEntry]>

    /// The server that answered last, for the operator; `nil` before the first answer.
    var lastServer: String? { get }
}
