import Synchronization
package import SMTP

/// Names a message in the queue, in its Received field, in replies and in the log.
///
/// 63 bits: milliseconds since 1970 and a counter, so ids sort by arrival. The text form is 13 characters of base 32 without
/// easily confused letters.
package struct QueueID: Hashable, Comparable, Sendable {
    /// Always positive: the primary key in the store.
    package let rawValue: Int64

    /// For the store.
    package init(rawValue: Int64) { self.rawValue = rawValue }

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    private static let last = Mutex<Int64>(0)

    /// A new id: larger than every id made before in this process.
    package static func make(at now: Timestamp) -> QueueID {
        Self.last.withLock { last in
            // 20 bits below the millisecond; 43 bits of milliseconds last until the year 2248.
            last = max(last &+ 1, (now.milliseconds & 0x7FF_FFFF_FFFF) << 20)
            return QueueID(rawValue: last)
        }
    }

    /// Parses the text form.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 13 else { return nil }
        var value: Int64 = 0
        for byte in text.utf8 {
            guard let digit = Self.alphabet.firstIndex(of: byte), value >> 58 == 0 else { return nil }
            value = value << 5 | Int64(digit)
        }
        self.rawValue = value
    }

    package static func < (left: QueueID, right: QueueID) -> Bool { left.rawValue < right.rawValue }
}

extension QueueID: CustomStringConvertible {
    package var description: String {
        String(
            decoding: stride(from: 60, through: 0, by: -5).map { shift in
                Self.alphabet[Int(self.rawValue >> Int64(shift)) & 0x1F]
            },
            as: UTF8.self
        )
    }
}
