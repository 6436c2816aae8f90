import Glibc

/// Writes the time of log lines; all but the milliseconds is made once a second.
struct LogClock: Sendable {
    /// A second in the local time zone.
    struct LocalTime: Sendable {
        var year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int
        /// Seconds east of Greenwich.
        var offset: Int
    }

    private let localTime: @Sendable (Int) -> LocalTime
    private var second = Int.min
    /// Year to second, and the point behind it.
    private var prefix: [UInt8] = []
    /// The offset: `+02:00`, or `Z`.
    private var suffix: [UInt8] = []

    /// - Parameter localTime: breaks down seconds since 1970.
    init(localTime: @escaping @Sendable (Int) -> LocalTime = LogClock.systemLocalTime) {
        self.localTime = localTime
    }

    /// The present, in seconds and milliseconds since 1970.
    static func now() -> (seconds: Int, milliseconds: Int) {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return (time.tv_sec, time.tv_nsec / 1_000_000)
    }

    /// Appends an instant in ISO 8601 form, local time with its offset.
    mutating func append(seconds: Int, milliseconds: Int, to line: inout [UInt8]) {
        if seconds != self.second { self.render(seconds) }
        line.append(contentsOf: self.prefix)
        Self.append(milliseconds, digits: 3, to: &line)
        line.append(contentsOf: self.suffix)
    }

    private mutating func render(_ seconds: Int) {
        let time = self.localTime(seconds)
        self.second = seconds
        self.prefix.removeAll(keepingCapacity: true)
        Self.append(time.year, digits: 4, to: &self.prefix)
        for (separator, value) in [
            ("-", time.month), ("-", time.day), ("T", time.hour), (":", time.minute), (":", time.second),
        ] as [(StaticString, Int)] {
            LogText.append(separator, to: &self.prefix)
            Self.append(value, digits: 2, to: &self.prefix)
        }
        LogText.append(".", to: &self.prefix)
        self.suffix.removeAll(keepingCapacity: true)
        guard time.offset != 0 else { return LogText.append("Z", to: &self.suffix) }
        LogText.append(time.offset < 0 ? "-" : "+", to: &self.suffix)
        let minutes = abs(time.offset) / 60
        Self.append(minutes / 60, digits: 2, to: &self.suffix)
        LogText.append(":", to: &self.suffix)
        Self.append(minutes % 60, digits: 2, to: &self.suffix)
    }

    private static func append(_ value: Int, digits: Int, to line: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            line.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }

    /// What the system's time zone says.
    static func systemLocalTime(_ seconds: Int) -> LocalTime {
        var instant = time_t(seconds)
        // `tm` counts as unsafe because it points to the zone's name, which is not looked at.
        var parts = unsafe tm()
        _ = unsafe localtime_r(&instant, &parts)
        return unsafe LocalTime(
            year: Int(parts.tm_year) + 1900,
            month: Int(parts.tm_mon) + 1,
            day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour),
            minute: Int(parts.tm_min),
            second: Int(parts.tm_sec),
            offset: parts.tm_gmtoff
        )
    }
}
