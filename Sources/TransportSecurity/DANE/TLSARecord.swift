import COpenSSL

/// What a domain says in the DNS of the certificate of one of its servers (RFC 6698 section 2.1).
package struct TLSARecord: Hashable, Sendable {
    /// 2: an authority of the domain's choice (DANE-TA); 3: the server's own certificate (DANE-EE).
    package let usage: UInt8
    /// 0: the whole certificate; 1: its public key.
    package let selector: UInt8
    /// 0: as it is; 1: its SHA-256; 2: its SHA-512.
    package let matchingType: UInt8
    package let data: [UInt8]

    /// Reads the data of a resource record; `nil` where it is too short to be one.
    package init?(data: some Collection<UInt8>) {
        let octets = Array(data)
        guard octets.count > 3 else { return nil }
        self.usage = octets[0]
        self.selector = octets[1]
        self.matchingType = octets[2]
        self.data = Array(octets[3...])
    }

    /// Whether SMTP can do something with it: usages 0 and 1 mean authorities that two mail hosts need not share
    /// (RFC 7672 section 3.1.3).
    package var isUsable: Bool {
        guard self.usage == 2 || self.usage == 3, self.selector <= 1 else { return false }
        return switch self.matchingType {
        case 0: self.holdsObject
        case 1: self.data.count == 32
        case 2: self.data.count == 64
        default: false
        }
    }
}

extension TLSARecord {
    /// Whether the data is a certificate or a public key, as the selector says, and nothing else.
    private var holdsObject: Bool {
        defer { OpenSSLErrors.clear() }
        return unsafe self.data.withUnsafeBufferPointer { octets in
            guard let start = octets.baseAddress else { return false }
            var place: UnsafePointer<UInt8>? = unsafe start
            if self.selector == 0 {
                guard let certificate = unsafe d2i_X509(nil, &place, octets.count) else { return false }
                unsafe X509_free(certificate)
            } else {
                guard let key = unsafe d2i_PUBKEY(nil, &place, octets.count) else { return false }
                unsafe EVP_PKEY_free(key)
            }
            return unsafe place == start + octets.count
        }
    }
}

extension TLSARecord: CustomStringConvertible {
    /// As zone files have it.
    package var description: String {
        let digits = self.data.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(self.usage) \(self.selector) \(self.matchingType) \(digits)"
    }
}
