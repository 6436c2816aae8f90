import Foundation

/// A certification authority of a test's own, made with the `openssl` command.
public final class TestAuthority: Sendable {
    /// Which kind of key a certificate has.
    public enum Algorithm: String, Sendable, CaseIterable { case ecdsa, rsa }
    /// Where a certificate and its key are.
    public struct Files: Sendable {
        /// The chain (PEM).
        public let chain: String
        /// The key (PEM).
        public let key: String

        /// Names the files.
        public init(chain: String, key: String) {
            self.chain = chain
            self.key = key
        }
    }
    /// Its folder.
    public let folder: URL
    /// Its own certificate (PEM).
    public var certificate: String { self.folder.appending(path: "ca.pem").path }
    private let openssl: Peer

    /// Makes the authority; `nil` where there is no openssl command.
    public init?(folder: URL, name: String = "Test authority") throws {
        guard let openssl = try Peer.find("openssl") else { return nil }
        self.openssl = openssl
        self.folder = folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try self.run(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
                + ["-subj", "/CN=\(name)", "-keyout", "ca.key", "-out", "ca.pem"]
                + ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        )
    }

    /// Makes a certificate.
    ///
    /// - Parameters:
    ///   - file: the first part of the files' names, and the common name.
    ///   - names: subject alternative names such as `DNS:a.example` or `email:ann@example.org`; none where it is empty.
    ///   - isExpired: whether its time is over.
    public func issue(
        _ file: String,
        names: [String],
        algorithm: Algorithm = .ecdsa,
        isExpired: Bool = false
    ) throws -> Files {
        let key =
            algorithm == .rsa
            ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        try self.run(
            ["req", "-new", "-nodes", "-subj", "/CN=\(file)", "-keyout", "\(file).key", "-out", "\(file).csr"] + key
        )
        let extensions = self.folder.appending(path: "\(file).ext")
        let alternatives = names.isEmpty ? "" : "subjectAltName=\(names.joined(separator: ","))\n"
        try Data("\(alternatives)basicConstraints=CA:FALSE\n".utf8).write(to: extensions)
        try self.run(
            ["x509", "-req", "-in", "\(file).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-sha256"]
                + ["-days", isExpired ? "-1" : "20", "-extfile", "\(file).ext", "-out", "\(file).pem"]
        )
        return Files(
            chain: self.folder.appending(path: "\(file).pem").path,
            key: self.folder.appending(path: "\(file).key").path
        )
    }

    /// The SHA-256 digest of a certificate, or of its public key, in hexadecimal: the end of a TLSA record.
    ///
    /// - Parameter selector: 0 for the whole certificate, 1 for its key (RFC 6698 section 2.1.2).
    public func digest(of file: String, selector: Int) throws -> String {
        let form =
            selector == 0 ? ["-outform", "DER", "-out", "digest.der"] : ["-noout", "-pubkey", "-out", "digest.pem"]
        try self.run(["x509", "-in", file] + form)
        if selector == 1 {
            try self.run(["pkey", "-pubin", "-in", "digest.pem", "-outform", "DER", "-out", "digest.der"])
        }
        return String(try self.run(["dgst", "-sha256", "-r", "digest.der"]).prefix(64))
    }

    /// Runs the command in the folder.
    ///
    /// - Returns: what it says.
    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let ending = try Ending.of(self.openssl.executable, arguments, folder: self.folder)
        guard ending.status == 0 else { throw PeerFailure("openssl \(arguments): \(ending.output)") }
        return ending.output
    }
}
