import SMTP

/// Times as people say them.
enum HumanTime {
    /// How far away an instant is: `in 4m`, `2h ago`, `now`.
    static func relative(_ instant: Timestamp, to now: Timestamp) -> String {
        let distance = instant - now
        if distance >= .seconds(1) { return "in \(Self.text(distance))" }
        if distance <= .seconds(-1) { return "\(Self.text(.zero - distance)) ago" }
        return "now"
    }

    /// A duration in its largest unit, rounded down: `45s`, `4m`, `2h`, `3d`.
    static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.inMilliseconds / 1000)
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }
}

/// Sizes as people say them.
enum HumanSize {
    /// Octets in the largest unit that leaves a whole part: `512 B`, `4.1 KiB`, `25.0 MiB`.
    static func text(_ octets: Int) -> String {
        guard octets >= 1024 else { return "\(octets) B" }
        var tenths = octets.multipliedReportingOverflow(by: 10).overflow ? Int.max : octets * 10
        for unit in ["KiB", "MiB", "GiB"] {
            tenths /= 1024
            if tenths < 10_240 { return "\(tenths / 10).\(tenths % 10) \(unit)" }
        }
        return "\(tenths / 10_240) TiB"
    }
}
