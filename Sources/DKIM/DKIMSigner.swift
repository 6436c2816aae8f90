import Foundation
import InternetMessage
import NIOCore
package import SMTP
package import TransportSecurity

/// Signs messages of a domain (RFC 6376), so that receivers can tell whose they are.
package struct DKIMSigner: Sendable {
    /// Whose the message is: `d=`, as an A-label (section 3.5).
    package let domain: Domain
    /// Where below `_domainkey.DOMAIN` the public key is: `s=`.
    package let selector: Domain
    private let key: SigningKey

    /// Fields that say what a message is and whose (section 5.4.1), and those of reports (RFC 8460 section 5.3).
    private static let signed = [
        "From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding", "TLS-Report-Domain", "TLS-Report-Submitter", "TLS-Required",
    ]

    /// Joins the parts.
    package init(domain: Domain, selector: Domain, key: SigningKey) {
        self.domain = domain
        self.selector = selector
        self.key = key
    }

    /// What the domain must publish: the name, and the text of its TXT record (section 3.6.1).
    package var record: (name: String, text: String) {
        (
            "\(self.selector.canonical)._domainkey.\(self.domain.canonical)",
            "v=DKIM1; k=\(self.key.algorithm.rawValue); p=\(Data(self.key.publicKey).base64EncodedString())"
        )
    }

    /// The message with the field DKIM-Signature in front.
    ///
    /// It must be as it will be sent: each line ends with CRLF, dots are not doubled (section 3.7), and nobody changes signed
    /// fields or the body after this.
    ///
    /// - Parameter now: when it is signed: `t=`.
    /// - Throws: where OpenSSL cannot sign.
    package func signed(_ message: [UInt8], at now: Timestamp) throws(Digest.Failure) -> [UInt8] {
        let header = HeaderSection(parsing: ByteBuffer(bytes: message))
        let (names, fields) = Self.chosen(header)
        let body = Relaxed.body(message.dropFirst(header.length))
        let start = [
            "DKIM-Signature: v=1; a=\(self.key.algorithm.rawValue)-sha256; c=relaxed/relaxed;",
            "\td=\(self.domain.canonical); s=\(self.selector.canonical); t=\(now.seconds);",
            "\th=\(names.joined(separator: ":\r\n\t "));",
            "\tbh=\(Data(try Digest.sha256(body)).base64EncodedString());", "\tb=",
        ].joined(separator: "\r\n")
        // The field itself comes last, without a signature and without a line end (section 3.7).
        let own = Relaxed.field(start.utf8) ?? []
        let data = fields.flatMap { $0 + [0x0D, 0x0A] } + own
        // Ed25519 signs the hash (RFC 8463 section 3); for RSA the hash is a part of the signature's making.
        let signature = try self.key.sign(self.key.algorithm == .ed25519 ? Digest.sha256(data) : data)
        return Array(start.utf8) + Self.folded(Data(signature).base64EncodedString()) + [0x0D, 0x0A] + message
    }

    /// The fields that are signed: of each name all there are, from the bottom up (section 5.4.2); From once more than there are,
    /// so that nobody adds another one (section 8.15).
    private static func chosen(_ header: HeaderSection) -> (names: [String], fields: [[UInt8]]) {
        var names: [String] = []
        var fields: [[UInt8]] = []
        for name in Self.signed {
            for field in header.all(named: name).reversed() {
                guard let canonical = Relaxed.field(field.raw.readableBytesView) else { continue }
                names.append(name)
                fields.append(canonical)
            }
            if name == "From" { names.append(name) }
        }
        return (names, fields)
    }

    /// Long lines are cut; white space in `b=` means nothing (section 3.5).
    private static func folded(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        for (index, byte) in text.utf8.enumerated() {
            if index > 0, index % 70 == 0 { result += [0x0D, 0x0A, 0x09] }
            result.append(byte)
        }
        return result
    }
}
