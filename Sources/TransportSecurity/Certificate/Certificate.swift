import COpenSSL
import Glibc

/// Owns one `X509 *`, freed once.
///
/// Unchecked: OpenSSL counts the references atomically, and nothing changes a certificate after it was read.
@safe struct Certificate: ~Copyable, @unchecked Sendable {
    private let pointer: OpaquePointer

    init(takingOwnershipOf pointer: OpaquePointer) { unsafe self.pointer = pointer }

    /// Shares a certificate that somebody else owns too.
    init(sharing pointer: OpaquePointer) {
        _ = unsafe X509_up_ref(pointer)
        unsafe self.pointer = pointer
    }

    deinit { unsafe X509_free(self.pointer) }

    borrowing func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result { unsafe body(self.pointer) }

    /// What is worth telling about it.
    var facts: CertificateFacts { unsafe self.withPointer { unsafe CertificateFacts(borrowing: $0) } }
}

/// Owns one `EVP_PKEY *`, freed once.
///
/// Unchecked: as with `Certificate`.
@safe struct PrivateKey: ~Copyable, @unchecked Sendable {
    private let pointer: OpaquePointer

    init(takingOwnershipOf pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe EVP_PKEY_free(self.pointer) }

    borrowing func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result { unsafe body(self.pointer) }

    /// OpenSSL's number of the algorithm: a context holds one certificate of each.
    var algorithm: Int32 { unsafe self.withPointer { unsafe EVP_PKEY_get_base_id($0) } }
}

/// Owns a `STACK_OF(X509)` with its certificates, freed once.
///
/// Unchecked: as with `Certificate`.
@safe struct CertificateStack: ~Copyable, @unchecked Sendable {
    private let pointer: OpaquePointer

    init?() {
        guard let pointer = unsafe COpenSSL_sk_X509_new_null() else { return nil }
        unsafe self.pointer = pointer
    }

    deinit { unsafe COpenSSL_sk_X509_pop_free(self.pointer) }

    borrowing func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result { unsafe body(self.pointer) }

    var count: Int { Int(unsafe COpenSSL_sk_X509_num(self.pointer)) }

    /// Adds a certificate; the caller keeps its own hold on it.
    mutating func append(_ certificate: borrowing Certificate) {
        let stack = unsafe self.pointer
        unsafe certificate.withPointer { certificate in
            if unsafe COpenSSL_sk_X509_push(stack, certificate) > 0 { _ = unsafe X509_up_ref(certificate) }
        }
    }
}

/// What is worth telling about a certificate.
package struct CertificateFacts: Hashable, Sendable {
    /// The subject's distinguished name (RFC 4514).
    package let subject: String
    /// The issuer's distinguished name.
    package let issuer: String
    /// The subject's common name.
    package let commonName: String?
    /// Its host names: DNS-IDs (RFC 6125 section 1.8).
    package let hostNames: [String]
    /// Its mail addresses.
    package let mailboxes: [String]
    /// Seconds since 1970 after which it is not valid.
    package let notAfter: Int64
    /// The SHA-256 digest of the whole certificate, in hexadecimal.
    package let fingerprint: String

    /// How the log calls it: a host name, else a mail address, else the common name, else the subject.
    package var name: String { self.hostNames.first ?? self.mailboxes.first ?? self.commonName ?? self.subject }
}

extension CertificateFacts {
    /// Copies the facts out of an `X509 *`.
    init(borrowing certificate: OpaquePointer) {
        unsafe self.subject = Self.text(of: X509_get_subject_name(certificate))
        unsafe self.issuer = Self.text(of: X509_get_issuer_name(certificate))
        unsafe self.commonName = Self.commonName(of: X509_get_subject_name(certificate))
        unsafe (self.hostNames, self.mailboxes) = Self.alternativeNames(of: certificate)
        var parts = unsafe tm()
        let isKnown = unsafe ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1
        self.notAfter = isKnown ? Int64(unsafe timegm(&parts)) : 0
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        _ = unsafe X509_digest(certificate, EVP_sha256(), &digest, &length)
        self.fingerprint = digest.prefix(Int(length)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func text(of name: OpaquePointer?) -> String {
        guard let name = unsafe name, let bio = unsafe BIO_new(BIO_s_mem()) else { return "" }
        defer { unsafe BIO_free_all(bio) }
        guard unsafe X509_NAME_print_ex(bio, name, 0, COpenSSL_XN_FLAG_RFC2253()) >= 0 else { return "" }
        var data: UnsafeMutablePointer<CChar>?
        let length = unsafe COpenSSL_BIO_get_mem_data(bio, &data)
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: max(length, 0))
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    private static func commonName(of name: OpaquePointer?) -> String? {
        guard let name = unsafe name else { return nil }
        let index = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let entry = unsafe X509_NAME_get_entry(name, index) else { return nil }
        return unsafe self.text(of: X509_NAME_ENTRY_get_data(entry))
    }

    private static func alternativeNames(of certificate: OpaquePointer) -> (hosts: [String], mailboxes: [String]) {
        guard let raw = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
            OpenSSLErrors.clear()
            return ([], [])
        }
        let names = OpaquePointer(raw)
        defer { unsafe GENERAL_NAMES_free(names) }
        var hosts: [String] = []
        var mailboxes: [String] = []
        for index in 0..<(unsafe COpenSSL_sk_GENERAL_NAME_num(names)) {
            guard let name = unsafe COpenSSL_sk_GENERAL_NAME_value(names, index) else { continue }
            var kind: Int32 = 0
            guard let value = unsafe GENERAL_NAME_get0_value(name, &kind) else { continue }
            guard kind == GEN_DNS || kind == GEN_EMAIL,
                let text = unsafe self.text(of: value.assumingMemoryBound(to: ASN1_STRING.self))
            else { continue }
            if kind == GEN_DNS { hosts.append(text) } else { mailboxes.append(text) }
        }
        return (hosts, mailboxes)
    }

    /// The text of an `ASN1_STRING *`; `nil` where control characters could make it look like another.
    private static func text(of string: UnsafeMutablePointer<ASN1_STRING>?) -> String? {
        guard let string = unsafe string else { return nil }
        let bytes = unsafe UnsafeRawBufferPointer(
            start: ASN1_STRING_get0_data(string),
            count: Int(ASN1_STRING_length(string))
        )
        guard unsafe bytes.allSatisfy({ $0 > 0x1F && $0 != 0x7F }) else { return nil }
        return unsafe String(decoding: bytes, as: UTF8.self)
    }
}
