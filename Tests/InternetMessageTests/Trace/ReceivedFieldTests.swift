import InternetMessage
import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 section 4.4: the Received field (S5321-4.4-01 to S5321-4.4-05)")
struct ReceivedFieldTests {
    private static func field(_ change: (inout ReceivedField) -> Void = { _ in }) throws -> ReceivedField {
        var field = ReceivedField(
            helloName: "client.example",
            clientAddress: try #require(IPAddress("192.0.2.7")),
            host: try #require(Domain("hub.example.org")),
            transmission: TransmissionType(.esmtp),
            identifier: "0k3v9x2ab0001",
            recipient: nil,
            date: DateTime(Timestamp(milliseconds: 1_136_239_445_000), zone: -420)
        )
        change(&field)
        return field
    }

    private static func text(_ field: ReceivedField) -> String {
        var buffer = ByteBuffer()
        field.write(into: &buffer)
        return String(buffer: buffer)
    }

    @Test("The usual field, to the letter")
    func usual() throws {
        let field = try Self.field {
            $0.clientName = Domain("MX.client.example")
            $0.recipient = Mailbox("UsEr@example.org")
        }
        #expect(
            Self.text(field)
                == "Received: from client.example (mx.client.example [192.0.2.7])\r\n"
                + "\tby hub.example.org with ESMTP id 0k3v9x2ab0001\r\n"
                + "\tfor <UsEr@example.org>;\r\n"
                + "\tMon, 2 Jan 2006 15:04:05 -0700\r\n"
        )
    }

    @Test(
        "Whatever the client said, the clause follows the grammar (S5321-4.4-02)",
        arguments: [
            ["client.example", "client.example ([192.0.2.7])"],
            ["[192.0.2.9]", "[192.0.2.9] ([192.0.2.7])"],
            ["[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1] ([192.0.2.7])"],
            ["my_host", "[192.0.2.7] ([192.0.2.7])\t(helo=my_host)"],
            ["a b)(c\\d", "[192.0.2.7] ([192.0.2.7])\t(helo=a?b??c?d)"],
            ["x\r\nBcc: y", "[192.0.2.7] ([192.0.2.7])\t(helo=x??Bcc:?y)"],
            ["ünicode.example", "[192.0.2.7] ([192.0.2.7])\t(helo=??nicode.example)"],
            ["[garbage]", "[192.0.2.7] ([192.0.2.7])\t(helo=[garbage])"],
            ["", "[192.0.2.7] ([192.0.2.7])"],
        ]
    )
    func helloName(_ row: [String]) throws {
        let section = HeaderSection(parsing: ByteBuffer(string: Self.text(try Self.field { $0.helloName = row[0] })))
        let value = try #require(section.first(named: "Received")).value
        #expect(value.hasPrefix("from " + row[1] + "\tby hub.example.org"))
        #expect(section.fields.count == 1)
    }

    @Test("An IPv6 client, and one that did not greet")
    func ipv6() throws {
        let address = try #require(IPAddress("2001:db8::7"))
        let text = Self.text(
            try Self.field {
                $0.helloName = nil; $0.clientAddress = address
            }
        )
        #expect(text.hasPrefix("Received: from [IPv6:2001:db8::7] ([IPv6:2001:db8::7])\r\n\tby "))
    }

    @Test("No line is over 998 octets, whatever the names")
    func longNames() throws {
        let label = String(repeating: "a", count: 60)
        let long = try #require(Domain([label, label, label, label].joined(separator: ".")))
        let recipient = try #require(Mailbox("\"" + String(repeating: "b", count: 250) + "\"@" + long.text))
        for hello in [long.text, String(repeating: "(", count: 5000)] {
            let text = Self.text(
                try Self.field {
                    $0.helloName = hello
                    $0.clientName = long
                    $0.recipient = recipient
                }
            )
            #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 998 })
        }
    }

    @Test("S6531-3.7.3-01: a mailbox that is not ASCII is named only in UTF8SMTP")
    func internationalRecipient() throws {
        let recipient = try #require(Mailbox("jörg@example.org"))
        #expect(!Self.text(try Self.field { $0.recipient = recipient }).contains("for <"))
        let field = try Self.field {
            $0.recipient = recipient
            $0.transmission = TransmissionType(.esmtp, isInternationalized: true)
        }
        #expect(Self.text(field).contains("with UTF8SMTP id 0k3v9x2ab0001\r\n\tfor <jörg@example.org>;"))
    }

    @Test("S8314-4.3-01: the cipher suite, by its registered name only")
    func cipherSuite() throws {
        #expect(
            Self.text(try Self.field { $0.cipherSuite = "TLS_AES_256_GCM_SHA384" })
                .contains("\r\n\ttls TLS_AES_256_GCM_SHA384;\r\n")
        )
        #expect(!Self.text(try Self.field { $0.cipherSuite = "A B;\r\n" }).contains("tls"))
    }

    @Test(
        "RFC 3848, RFC 6531 section 4.3: registered protocol names (S5321-4.4-11, S4954-7-01)",
        arguments: [
            (TransmissionType(.smtp), "SMTP"), (TransmissionType(.smtp, isEncrypted: true), "SMTP"),
            (TransmissionType(.esmtp), "ESMTP"), (TransmissionType(.esmtp, isEncrypted: true), "ESMTPS"),
            (TransmissionType(.esmtp, isAuthenticated: true), "ESMTPA"),
            (TransmissionType(.esmtp, isEncrypted: true, isAuthenticated: true), "ESMTPSA"),
            (TransmissionType(.esmtp, isInternationalized: true), "UTF8SMTP"),
            (
                TransmissionType(.esmtp, isEncrypted: true, isAuthenticated: true, isInternationalized: true),
                "UTF8SMTPSA"
            ),
            (TransmissionType(.lmtp), "LMTP"), (TransmissionType(.lmtp, isEncrypted: true), "LMTPS"),
            (TransmissionType(.lmtp, isAuthenticated: true, isInternationalized: true), "UTF8LMTPA"),
        ]
    )
    func transmission(_ type: TransmissionType, _ name: String) { #expect(type.description == name) }
}

@Suite("RFC 5321 section 4.4: Return-Path at final delivery (S5321-4.4-12, S5321-4.4-15)")
struct ReturnPathFieldTests {
    @Test(arguments: [
        ["A: 1\r\n\r\n", "sender@example.net", "Return-Path: <sender@example.net>\r\nA: 1\r\n\r\n"],
        [
            "Received: x\r\nreturn-path: <forged@x>\r\nReturn-Path: y\r\n\r\n", "",
            "Return-Path: <>\r\nReceived: x\r\n\r\n",
        ],
    ])
    func isTheOnlyOne(_ row: [String]) throws {
        var section = HeaderSection(parsing: ByteBuffer(string: row[0]))
        section.setReturnPath(try #require(ReversePath(row[1])))
        #expect(written(section) == row[2])
    }
}
