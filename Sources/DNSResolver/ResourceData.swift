import MailHubPlugin
import SMTP

/// Reads the data of resource records; anything malformed gives `nil` (RFC 1035 sections 3.3 and 4.1).
enum ResourceData {
    /// A domain name in wire form, without compression, from `start` to the end of the data; in lower case, no trailing dot.
    static func name(_ bytes: ArraySlice<UInt8>) -> String? {
        var labels: [String] = []
        var rest = bytes
        while let length = rest.first {
            rest = rest.dropFirst()
            if length == 0 { return rest.isEmpty ? labels.joined(separator: ".") : nil }
            guard length <= 63, rest.count >= Int(length) else { return nil }
            let label = rest.prefix(Int(length))
            // A dot or a control character inside a label cannot be part of a host name.
            guard label.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ".") }) else { return nil }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }

    /// An MX record (RFC 1035 section 3.3.9).
    static func mailExchanger(_ bytes: [UInt8]) -> MailExchanger? {
        guard bytes.count > 2, let host = self.name(bytes[2...]) else { return nil }
        return MailExchanger(preference: UInt16(bytes[0]) << 8 | UInt16(bytes[1]), host: host)
    }

    /// The strings of a TXT record, joined (RFC 1035 section 3.3.14).
    static func text(_ bytes: [UInt8]) -> String? {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let length = rest.first {
            rest = rest.dropFirst()
            guard rest.count >= Int(length) else { return nil }
            result += rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// An A or AAAA record.
    static func address(_ bytes: [UInt8]) -> IPAddress? {
        switch bytes.count {
        case 4: return .ipv4(bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        case 16:
            return IPAddress(
                high: bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) },
                low: bytes[8...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            )
        default: return nil
        }
    }

    /// The name under which the names of an address are found (RFC 1035 section 3.5, RFC 3596 section 2.5).
    static func reverseName(of address: IPAddress) -> String {
        switch address {
        case .ipv4(let value):
            return (0..<4).map { String(value >> UInt32($0 * 8) & 0xFF) }.joined(separator: ".") + ".in-addr.arpa"
        case .ipv6(let high, let low):
            let nibbles = [low, high].flatMap { half in
                (0..<16).map { String(half >> UInt64($0 * 4) & 0xF, radix: 16) }
            }
            return nibbles.joined(separator: ".") + ".ip6.arpa"
        }
    }
}
