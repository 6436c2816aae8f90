import COpenSSL
import Glibc

/// A file that TLS needs and cannot use.
package struct TLSFileProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the file is for.
    package enum Purpose: Hashable, Sendable { case chain, key, authorities }
    package let purpose: Purpose
    package let path: String
    /// What is wrong, such as `cannot be read (Permission denied)`.
    package let message: String
    /// What to do about it.
    package let fix: String

    package var description: String { "\"\(self.path)\" \(self.message)" }
}

/// The octets of a PEM file (RFC 7468), and what can be read from them.
struct PEMFile {
    /// More than any chain or list of authorities has.
    private static let largest = 16 << 20

    let path: String
    let purpose: TLSFileProblem.Purpose
    private let bytes: [UInt8]

    /// Reads a file.
    init(path: String, purpose: TLSFileProblem.Purpose) throws(TLSFileProblem) {
        self.path = path
        self.purpose = purpose
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw TLSFileProblem(
                purpose: purpose,
                path: path,
                message: "cannot be read (\(reason))",
                fix: "name a file that exists and is readable by the user that the hub runs as"
            )
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while bytes.count <= Self.largest {
            let count = unsafe read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                let reason = unsafe String(cString: strerror(errno))
                throw TLSFileProblem(
                    purpose: purpose,
                    path: path,
                    message: "cannot be read (\(reason))",
                    fix: "name a PEM file"
                )
            }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        self.bytes = bytes
    }

    func problem(_ message: String, fix: String) -> TLSFileProblem {
        TLSFileProblem(purpose: self.purpose, path: self.path, message: message, fix: fix)
    }

    /// Calls the body with a `BIO *` over the octets.
    private func withBIO<Result: ~Copyable>(_ body: (OpaquePointer) throws(TLSFileProblem) -> Result)
        throws(TLSFileProblem) -> Result
    {
        OpenSSLErrors.clear()
        // A copy inside OpenSSL, so that no pointer into the array is kept.
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw self.problem("does not fit memory", fix: "try again") }
        defer { unsafe BIO_free_all(bio) }
        _ = unsafe BIO_write(bio, self.bytes, Int32(self.bytes.count))
        return try unsafe body(bio)
    }

    /// Calls the body with each certificate, in order.
    func forEachCertificate(_ body: (consuming Certificate) -> Void) throws(TLSFileProblem) {
        unsafe try self.withBIO { (bio) throws(TLSFileProblem) in
            var count = 0
            while let pointer = unsafe PEM_read_bio_X509(bio, nil, noPassphrase, nil) {
                unsafe body(Certificate(takingOwnershipOf: pointer))
                count += 1
            }
            let errors = OpenSSLErrors.drain()
            let isEnd = errors.contains(library: ERR_LIB_PEM, reason: PEM_R_NO_START_LINE)
            guard isEnd, count > 0 else {
                throw self.problem(
                    isEnd ? "has no certificate in it" : "has a malformed certificate in it (\(errors))",
                    fix: "name a PEM file with lines that say BEGIN CERTIFICATE"
                )
            }
        }
    }

    /// The private key.
    func privateKey() throws(TLSFileProblem) -> PrivateKey {
        unsafe try self.withBIO { (bio) throws(TLSFileProblem) in
            if let pointer = unsafe PEM_read_bio_PrivateKey(bio, nil, noPassphrase, nil) {
                return unsafe PrivateKey(takingOwnershipOf: pointer)
            }
            let errors = OpenSSLErrors.drain()
            if errors.contains(library: ERR_LIB_PEM, reason: PEM_R_BAD_PASSWORD_READ)
                || errors.contains(library: ERR_LIB_PEM, reason: PEM_R_PROBLEMS_GETTING_PASSWORD)
                || errors.contains(library: Int32(ERR_LIB_PROV), reason: PEM_R_BAD_PASSWORD_READ)
                || self.isEncrypted
            {
                throw self.problem(
                    "is encrypted with a passphrase",
                    fix: "decrypt it: openssl pkey -in KEY -out NEWKEY, readable by the hub's user only"
                )
            }
            throw self.problem(
                "has no usable private key in it (\(errors))",
                fix: "name a PEM file with a line that says BEGIN PRIVATE KEY"
            )
        }
    }

    private var isEncrypted: Bool {
        let text = String(decoding: self.bytes.prefix(4096), as: UTF8.self)
        return text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    }
}

/// Answers OpenSSL's question for a passphrase: there is none, and nobody is at a terminal.
private let noPassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 =
        { _, _, _, _ in -1 }
