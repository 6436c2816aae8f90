/// 10,000 people and nested groups in the two schemas, as LDIF.
enum DirectoryPeople {
    static let count = 5000

    /// Half of them with the standard schemas, half as Active Directory has them.
    static var ldif: String { Entries.tree + self.units + self.openldap + self.activeDirectory }

    private static let units = ["staff", "groups", "users", "lists"].map { name in
        """
        dn: ou=\(name),dc=example,dc=org
        objectClass: organizationalUnit
        ou: \(name)


        """
    }.joined()

    /// `cn=person7,ou=staff`, with every kind of routing.
    private static var openldap: String {
        var people = ""
        for number in 0..<self.count {
            people += """
                dn: cn=person\(number),ou=staff,dc=example,dc=org
                objectClass: inetOrgPerson
                objectClass: mailUser
                objectClass: inetLocalMailRecipient
                cn: person\(number)
                sn: \(number)
                mail: person\(number)@example.org
                mailAlternateAddress: other\(number)@example.org
                mailLocalAddress: local\(number)@example.org

                """
            if number % 10 == 1 { people += "mailRoutingAddress: away\(number)@elsewhere.example\n" }
            if number % 10 == 2 { people += "mailHost: store\(number % 3).example.org\n" }
            people += "\n"
        }
        return people
            + self.chain("groups", "groupOfNames", person: { "cn=person\($0),ou=staff,dc=example,dc=org" }) { name in
                "objectClass: mailGroup\nmail: \(name)@example.org\nowner: cn=person3,ou=staff,dc=example,dc=org\n"
            }
    }

    /// `cn=user7,ou=users`; every tenth is disabled.
    private static var activeDirectory: String {
        var people = ""
        for number in 0..<self.count {
            people += """
                dn: cn=user\(number),ou=users,dc=example,dc=org
                objectClass: user
                cn: user\(number)
                sn: \(number)
                mail: user\(number)@example.org
                proxyAddresses: SMTP:user\(number)@example.org
                proxyAddresses: smtp:proxy\(number)@example.org
                userAccountControl: \(number % 10 == 9 ? 514 : 512)


                """
        }
        return people
            + self.chain("lists", "group", person: { "cn=user\($0),ou=users,dc=example,dc=org" }) { name in
                "proxyAddresses: SMTP:\(name)@example.org\nmanagedBy: cn=user3,ou=users,dc=example,dc=org\n"
            }
    }

    /// `level0` with two people and `level1`, and so on to `level4`, which contains `level0`; `everybody` with 400.
    private static func chain(
        _ unit: String,
        _ kind: String,
        person: (Int) -> String,
        _ more: (String) -> String
    ) -> String {
        var groups = ""
        func add(_ name: String, _ members: [String]) {
            groups += "dn: cn=\(unit)-\(name),ou=\(unit),dc=example,dc=org\nobjectClass: \(kind)\n"
            groups += more("\(unit)-\(name)") + "cn: \(unit)-\(name)\n"
            groups += members.map { "member: \($0)\n" }.joined() + "\n"
        }
        for level in 0..<5 {
            let next = "cn=\(unit)-level\((level + 1) % 5),ou=\(unit),dc=example,dc=org"
            add("level\(level)", [person(level * 10 + 3), person(level * 10 + 4), next])
        }
        add("everybody", (0..<400).map { person($0 * 10 + 3) })
        return groups
    }
}
