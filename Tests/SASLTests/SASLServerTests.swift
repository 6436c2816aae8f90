import Testing
import TransportSecurity

@testable import SASL

@Suite("RFC 4422 and 4616: exchanges with a password or a certificate")
struct SASLServerTests {
    private static func server(_ mechanism: SASLMechanism) -> SASLServer {
        SASLServer(mechanism, binding: SCRAMBinding(), nonce: Array("abcdefghijklmnop".utf8))
    }

    @Test(
        "RFC 4616 section 2: PLAIN",
        arguments: [
            (
                "\u{0}tim\u{0}tanstaaftanstaaf",
                PasswordClaim(user: "tim", authorization: nil, password: "tanstaaftanstaaf")
            ),
            (
                "Ursel\u{0}Kurt\u{0}xipj3plmq",
                PasswordClaim(user: "Kurt", authorization: "Ursel", password: "xipj3plmq")
            ),
            ("\u{0}jos\u{65}\u{301}\u{0}p\u{AD}w", PasswordClaim(user: "josé", authorization: nil, password: "pw")),
        ]
    )
    func plain(_ octets: String, _ claim: PasswordClaim) {
        var initial = Self.server(.plain)
        #expect(initial.start(Array(octets.utf8)) == .checkPassword(claim))
        var later = Self.server(.plain)
        #expect(later.start(nil) == .challenge([]))
        #expect(later.respond(Array(octets.utf8)) == .checkPassword(claim))
        guard case .malformed = later.respond([]) else {
            Issue.record("the exchange went on")
            return
        }
    }

    @Test(arguments: [
        "", "user", "\u{0}user", "\u{0}\u{0}pw", "\u{0}user\u{0}", "\u{0}a\u{0}b\u{0}c", "\u{0}a\u{7}\u{0}b",
    ])
    func malformedPlain(_ octets: String) {
        var server = Self.server(.plain)
        guard case .malformed = server.start(Array(octets.utf8)) else {
            Issue.record("taken")
            return
        }
    }

    @Test func login() {
        let claim = PasswordClaim(user: "tim", authorization: nil, password: "pw")
        var server = Self.server(.login)
        #expect(server.start(nil) == .challenge(Array("Username:".utf8)))
        #expect(server.respond(Array("tim".utf8)) == .challenge(Array("Password:".utf8)))
        #expect(server.respond(Array("pw".utf8)) == .checkPassword(claim))
        var initial = Self.server(.login)
        #expect(initial.start(Array("tim".utf8)) == .challenge(Array("Password:".utf8)))
    }

    @Test func external() {
        var server = Self.server(.external)
        #expect(server.start([]) == .checkCertificate(authorization: nil))
        var named = Self.server(.external)
        #expect(named.start(Array("ann@example.org".utf8)) == .checkCertificate(authorization: "ann@example.org"))
    }

    @Test("no octets make it trap", arguments: SASLMechanism.allCases, 0..<40)
    func randomOctets(_ mechanism: SASLMechanism, _ seed: Int) throws {
        var numbers = SystemRandomNumberGenerator()
        let keys = try SCRAMKeys.ofNobody("x", secret: [1])
        var server = Self.server(mechanism)
        let alphabet = Array("n,a=r=p=c=biws \u{0}\u{1}y,,xé".utf8)
        for round in 0..<6 {
            let length = Int.random(in: 0...60, using: &numbers)
            let octets = (0..<length).map { _ in alphabet.randomElement(using: &numbers) ?? 0 }
            let step = round == 0 ? server.start(octets) : server.respond(octets)
            if case .findKeys = step { _ = server.keys(keys) }
            if case .proved(let user, _) = step { Issue.record("\(user) got in with \(octets)") }
        }
    }

    @Test("a file of users is read, changed and written; comments stay")
    func userFile() throws {
        let keys = try SCRAMKeys(password: "pw", salt: Array(repeating: 1, count: 16), iterations: 4096)
        var file = try UserFile(
            "# users\n\nann \(keys)  # the boss\nbob \(keys) bob@example.org sales#1@example.org #x y\n"
        )
        #expect(file.users["bob"]?.addresses == ["bob@example.org", "sales#1@example.org"])
        file.set(.init(name: "cleo", keys: keys))
        let removed = file.remove("ann")
        #expect(removed)
        #expect(file.text == "# users\n\nbob \(keys) bob@example.org sales#1@example.org #x y\ncleo \(keys)\n")
        #expect(try UserFile(file.text) == file)
        #expect(try UserFile("").users.isEmpty)
    }

    @Test func problemsOfAUserFile() throws {
        let keys = try SCRAMKeys(password: "pw", salt: Array(repeating: 1, count: 16), iterations: 4096)
        let error = #expect(throws: UserFileProblems.self) {
            try UserFile("ann \(keys)\nbob secret\nann \(keys)\n")
        }
        #expect(error?.problems.map(\.line) == [2, 3])
    }

    @Test("an unknown user costs the same check as a known one, and has the same keys each time")
    func unknownUsers() throws {
        var file = UserFile()
        file.set(.init(name: "ann", keys: try SCRAMKeys(password: "pw", salt: Array(repeating: 1, count: 16))))
        let accounts = try UserAccounts(path: "users", file)
        func check(_ user: String, _ password: String) throws -> Bool {
            try accounts.check(PasswordClaim(user: user, authorization: nil, password: password))
        }
        #expect(try check("ann", "pw"))
        #expect(try !check("ann", "PW"))
        #expect(try !check("nobody", "pw"))
        #expect(try accounts.keys(of: "nobody", decoy: [1]) == accounts.keys(of: "nobody", decoy: [1]))
        #expect(try accounts.keys(of: "nobody", decoy: [1]) != accounts.keys(of: "nobody", decoy: [2]))
        #expect(try accounts.keys(of: "ann", decoy: [1]) == accounts.keys(of: "ann", decoy: [2]))
        #expect(try accounts.keys(of: "nobody", decoy: [1]).salt.count == 16)
        #expect(
            try accounts.keys(of: "nobody", decoy: [1]).iterations == accounts.keys(of: "ann", decoy: [1]).iterations
        )
    }
}
