import TransportSecurity
import Testing

@testable import SASL

@Suite("RFC 5802 and 7677: SCRAM-SHA-256 (S5802-5.1-01, S5802-6-01)")
struct SCRAMTests {
    /// The example of RFC 7677 section 3.
    private static let keys = try? SCRAMKeys(
        password: "pencil",
        salt: Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ==".utf8) ?? [],
        iterations: 4096
    )
    private static let clientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    private static let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    private static let serverFirst =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    private static let clientFinal =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    private static let serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    private static func server(
        _ mechanism: SASLMechanism = .scramSHA256,
        _ binding: SCRAMBinding = SCRAMBinding()
    ) -> SASLServer {
        SASLServer(mechanism, binding: binding, nonce: Array(Self.nonce.utf8))
    }

    @Test("the dialogue of RFC 7677 section 3, octet by octet")
    func example() throws {
        let keys = try #require(Self.keys)
        var server = Self.server()
        #expect(server.start(Array(Self.clientFirst.utf8)) == .findKeys(user: "user"))
        #expect(server.keys(keys) == .challenge(Array(Self.serverFirst.utf8)))
        #expect(server.respond(Array(Self.clientFinal.utf8)) == .challenge(Array(Self.serverFinal.utf8)))
        #expect(server.respond([]) == .proved(user: "user", authorization: nil))
    }

    @Test("what is not quite that message is refused", arguments: 0..<Self.clientFinal.utf8.count)
    func changedOctet(_ index: Int) throws {
        let keys = try #require(Self.keys)
        var final = Array(Self.clientFinal.utf8)
        final[index] ^= 1
        var server = Self.server()
        _ = server.start(Array(Self.clientFirst.utf8))
        _ = server.keys(keys)
        switch server.respond(final) {
        case .failed, .malformed: break
        case let step: Issue.record("\(step)")
        }
        guard case .malformed = server.respond([]) else {
            Issue.record("the exchange went on")
            return
        }
    }

    @Test("a client that believes there is no channel binding was lied to")
    func downgrade() {
        var server = Self.server(.scramSHA256, SCRAMBinding(values: ["tls-exporter": [[1]]], isOffered: true))
        #expect(server.start(Array("y,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8)) == .failed(user: "user"))
        var honest = Self.server()
        #expect(honest.start(Array("y,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8)) == .findKeys(user: "user"))
    }

    @Test("PLUS is bound to the connection: another one's binding is refused", arguments: [true, false])
    func plus(isSame: Bool) throws {
        let keys = try #require(Self.keys)
        let mine: [UInt8] = Array(repeating: 7, count: 32)
        let theirs = isSame ? mine : Array(repeating: 8, count: 32)
        let binding = SCRAMBinding(values: ["tls-exporter": [[6], mine]], isOffered: true)
        var server = Self.server(.scramSHA256Plus, binding)
        let header = "p=tls-exporter,a=boss,"
        let bare = "n=us=2Cer,r=rOprNGfwEbeRWgbNEkqO"
        #expect(server.start(Array((header + bare).utf8)) == .findKeys(user: "us,er"))
        guard case .challenge(let first) = server.keys(keys) else {
            Issue.record("no challenge")
            return
        }
        let nonce = "rOprNGfwEbeRWgbNEkqO" + Self.nonce
        let withoutProof = "c=\(Base64.encode(Array(header.utf8) + theirs)),r=\(nonce)"
        let message = Array(bare.utf8) + [0x2C] + first + Array(",\(withoutProof)".utf8)
        let salted = try Digest.pbkdf2SHA256(password: Array("pencil".utf8), salt: keys.salt, iterations: 4096)
        let clientKey = try Digest.hmacSHA256(key: salted, Array("Client Key".utf8))
        let signature = try Digest.hmacSHA256(key: keys.storedKey, message)
        let proof = Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
        let step = server.respond(Array("\(withoutProof),p=\(proof)".utf8))
        guard isSame else {
            #expect(step == .failed(user: "us,er"))
            return
        }
        guard case .challenge = step else {
            Issue.record("\(step)")
            return
        }
        #expect(server.respond([]) == .proved(user: "us,er", authorization: "boss"))
    }

    @Test(
        "malformed first messages",
        arguments: [
            "", "n", "n,,", "n,,n=user", "n,,r=abcdefghijkl,n=user", "x,,n=user,r=abcdefghijkl",
            "n,b=x,n=user,r=abcdefghijkl",
            "n,,n=us=er,r=abcdefghijkl", "n,,n=us=2,r=abcdefghijkl", "n,,n=,r=abcdefghijkl", "n,,n=user,r=short",
            "n,,m=ext,n=user,r=abcdefghijkl", "p=tls-exporter,,n=user,r=abcdefghijkl", "n,,n=user,r=abc defghijkl",
            "n,,n=us\u{0}er,r=abcdefghijkl",
        ]
    )
    func malformed(_ first: String) {
        var server = Self.server()
        guard case .malformed = server.start(Array(first.utf8)) else {
            Issue.record("taken: \(first)")
            return
        }
    }

    @Test("keys survive the file, and match their password alone")
    func keysAsText() throws {
        let keys = try #require(Self.keys)
        #expect(SCRAMKeys(Substring(keys.description)) == keys)
        #expect(try keys.match("pencil"))
        #expect(try !keys.match("pencils"))
        for text in [
            "", "SCRAM-SHA-256$", "SCRAM-SHA-1$4096:x$y:z", "SCRAM-SHA-256$1:\(keys.description.dropFirst(19))",
        ] {
            #expect(SCRAMKeys(Substring(text)) == nil)
        }
    }

    /// The client of RFC 7677 section 3.
    private static func client() -> SCRAMClient { SCRAMClient(user: "user", nonce: Array("rOprNGfwEbeRWgbNEkqO".utf8)) }
    private static let challenge =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

    @Test("the client's side of RFC 7677 section 3, octet by octet")
    func clientDialogue() throws {
        var client = Self.client()
        #expect(client.first == Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8))
        let (salt, iterations) = try client.challenged(by: Array(Self.challenge.utf8))
        let salted = try Digest.pbkdf2SHA256(password: Array("pencil".utf8), salt: salt, iterations: iterations)
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        let final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=\(proof)"
        #expect(try client.answer(salted: salted) == Array(final.utf8))
        try client.concluded(by: Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8))
        for wrong in ["v=", "v=AAAA", "e=other-error", "", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="] {
            #expect(throws: SCRAMClient.Refused.self, "\(wrong)") { try client.concluded(by: Array(wrong.utf8)) }
        }
        #expect(throws: SCRAMClient.Refused.self) { try Self.client().concluded(by: Array("v=".utf8)) }
    }

    @Test(
        "challenges that the client does not answer",
        arguments: [
            "", "r=", "r=other,s=AAAA,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=!!,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=99999999999999999999", "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=9000000",
            "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096",
        ]
    )
    func challenges(_ challenge: String) {
        var client = Self.client()
        #expect(throws: SCRAMClient.Refused.self) { try client.challenged(by: Array(challenge.utf8)) }
    }

    /// What each side takes for the truth about the connection between them.
    struct Meeting: Sendable {
        var mechanism = SASLMechanism.scramSHA256
        var client: SCRAMClientBinding
        var server = SCRAMBinding()
        var isProved = true
    }

    @Test(
        "S5802-6-01: our client and our server, with names that need escapes, bound and not",
        arguments: [
            Meeting(client: .none), Meeting(client: .notOffered),
            // Somebody has taken the offer away.
            Meeting(
                client: .notOffered,
                server: .init(values: ["tls-exporter": [[1]]], isOffered: true),
                isProved: false
            ),
            Meeting(
                mechanism: .scramSHA256Plus,
                client: .bound(.exporter, [1, 2]),
                server: .init(values: ["tls-exporter": [[1, 2]]], isOffered: true)
            ),
            Meeting(
                mechanism: .scramSHA256Plus,
                client: .bound(.serverEndPoint, [3]),
                server: .init(values: ["tls-exporter": [[1, 2]], "tls-server-end-point": [[3]]], isOffered: true)
            ),
            // Two connections instead of one.
            Meeting(
                mechanism: .scramSHA256Plus,
                client: .bound(.exporter, [1, 2]),
                server: .init(values: ["tls-exporter": [[1, 3], [1]]], isOffered: true),
                isProved: false
            ),
        ]
    )
    func bothSides(_ meeting: Meeting) throws {
        let nonce = Array("abcdefghijkl".utf8)
        var client = SCRAMClient(user: "u=s,r", nonce: nonce, binding: meeting.client)
        var server = SASLServer(meeting.mechanism, binding: meeting.server, nonce: Array("xyz".utf8))
        let start = server.start(client.first)
        if start == .failed(user: "u=s,r"), !meeting.isProved { return }
        #expect(start == .findKeys(user: "u=s,r"))
        let keys = try SCRAMKeys(password: "p", salt: Array(repeating: 7, count: 16), iterations: 4096)
        guard case .challenge(let challenge) = server.keys(keys) else { return #expect(Bool(false)) }
        let (salt, iterations) = try client.challenged(by: challenge)
        let salted = try Digest.pbkdf2SHA256(password: Array("p".utf8), salt: salt, iterations: iterations)
        guard case .challenge(let end) = server.respond(try client.answer(salted: salted)) else {
            return #expect(!meeting.isProved)
        }
        #expect(meeting.isProved)
        try client.concluded(by: end)
        #expect(server.respond([]) == .proved(user: "u=s,r", authorization: nil))
    }
}
