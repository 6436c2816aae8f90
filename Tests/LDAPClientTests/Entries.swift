import LDAPClient
import Logging
import MailHubPlugin

/// The entries that the tests' servers hold.
enum Entries {
    /// The tree without people, and the account that the hub binds as.
    static let tree = """
        dn: dc=example,dc=org
        objectClass: dcObject
        objectClass: organization
        o: example
        dc: example

        dn: cn=hub,dc=example,dc=org
        objectClass: organizationalRole
        objectClass: simpleSecurityObject
        cn: hub
        userPassword: hub-secret

        dn: ou=people,dc=example,dc=org
        objectClass: organizationalUnit
        ou: people

        dn: ou=secret,dc=example,dc=org
        objectClass: organizationalUnit
        ou: secret

        dn: cn=hidden,ou=secret,dc=example,dc=org
        objectClass: inetOrgPerson
        cn: hidden
        sn: hidden
        mail: hidden@example.org


        """

    /// Somebody who logs in.
    static func user(_ name: String, login: String? = nil, mail: String? = nil, password: String? = nil) -> String {
        let more = [mail.map { "mail: \($0)" }, password.map { "userPassword: \($0)" }].compactMap(\.self)
        let lines =
            ["dn: cn=\(name),dc=example,dc=org", "objectClass: inetOrgPerson", "cn: \(name)", "sn: x"]
            + ["uid: \(login ?? name)"] + more
        return lines.map { "\($0)\n" }.joined() + "\n"
    }

    /// An entry that stands for another server (RFC 3296).
    static let referral = """
        dn: ou=elsewhere,dc=example,dc=org
        objectClass: referral
        objectClass: extensibleObject
        ou: elsewhere
        ref: ldap://127.0.0.2/ou=elsewhere,dc=example,dc=org


        """

    /// inetOrgPerson entries `person0@example.org` ...
    static func people(_ count: Int) -> String {
        (0..<count).map { number in
            """
            dn: cn=person\(number),ou=people,dc=example,dc=org
            objectClass: inetOrgPerson
            objectClass: mailUser
            cn: person\(number)
            sn: \(number)
            mail: person\(number)@example.org
            mailAlternateAddress: alias\(number)@example.org


            """
        }.joined()
    }

    /// A directory for a test: servers that failed are probed soon.
    static func directory(_ urls: [String], _ change: (inout LDAPSettings) -> Void = { _ in }) throws -> LDAPDirectory {
        var settings = LDAPSettings(servers: urls.compactMap { LDAPServer($0) }, base: "ou=people,dc=example,dc=org")
        settings.timeouts.retry = .milliseconds(200)
        change(&settings)
        return try LDAPDirectory(settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// The search for one address.
func search(_ address: String, base: String? = nil, limit: Int = 10) -> DirectorySearch {
    DirectorySearch(base: base, filter: .equals("mail", address), attributes: ["cn", "mail"], limit: limit)
}

/// An answer in short: names, "not found", or the reason.
func summary(_ answer: Lookup<[DirectoryEntry]>) -> String {
    switch answer {
    case .found(let entries): entries.map { $0["cn"].first ?? $0.name }.sorted().joined(separator: " ")
    case .notFound: "not found"
    case .unavailable(let reason): "unavailable: \(reason)"
    }
}
