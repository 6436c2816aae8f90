import Glibc
import InternetMessage
import SMTP
import Testing

@Suite(
    "RFC 5322 section 3.3: dates, with numeric zones and four-digit years (S5321-4.4-08, S5321-4.4-10, S5321-F.5-01)"
)
struct DateTimeTests {
    struct Example: CustomTestStringConvertible, Sendable {
        let seconds: Int64
        let zone: Int
        let text: String
        var testDescription: String { self.text }
    }

    @Test(arguments: [
        Example(seconds: 0, zone: 0, text: "Thu, 1 Jan 1970 00:00:00 +0000"),
        Example(seconds: 951_782_400, zone: 0, text: "Tue, 29 Feb 2000 00:00:00 +0000"),
        Example(seconds: 951_868_799, zone: 60, text: "Wed, 1 Mar 2000 00:59:59 +0100"),
        Example(seconds: 1_136_239_445, zone: -420, text: "Mon, 2 Jan 2006 15:04:05 -0700"),
        Example(seconds: 1_703_980_800, zone: -1, text: "Sat, 30 Dec 2023 23:59:00 -0001"),
        Example(seconds: 1_704_067_199, zone: 345, text: "Mon, 1 Jan 2024 05:44:59 +0545"),
        Example(seconds: 4_107_542_400, zone: 0, text: "Mon, 1 Mar 2100 00:00:00 +0000"),
        Example(seconds: -5, zone: -60, text: "Thu, 1 Jan 1970 00:00:00 -0100"),
    ])
    func writes(_ example: Example) {
        #expect(
            DateTime(Timestamp(milliseconds: example.seconds * 1000), zone: example.zone).description == example.text
        )
    }

    @Test("No instant traps, and years keep four digits", arguments: [Int64.min, -1, .max])
    func extremes(_ milliseconds: Int64) {
        for zone in [-10_000, 0, 10_000] {
            let text = DateTime(Timestamp(milliseconds: milliseconds), zone: zone).description
            #expect((30...31).contains(text.utf8.count), "\(text)")
        }
    }

    @Test("Days of four centuries agree with the C library")
    func civilDates() {
        for day in stride(from: Int64(0), to: 150_000, by: 13) {
            var instant = time_t(day * 86_400 + 3661)
            var broken = unsafe tm()
            unsafe gmtime_r(&instant, &broken)
            let text = DateTime(Timestamp(milliseconds: Int64(instant) * 1000), zone: 0).description
            let expected =
                unsafe "\(broken.tm_mday) \(Self.months[Int(broken.tm_mon)]) \(broken.tm_year + 1900) 01:01:01 +0000"
            #expect(text.dropFirst(5) == expected)
        }
    }
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    @Test("S5321-4.4-09: local time", arguments: [0, 1_700_000_000, 1_720_000_000, 1_720_000_001] as [Int64])
    func localTime(_ seconds: Int64) {
        var instant = time_t(seconds)
        var broken = unsafe tm()
        unsafe localtime_r(&instant, &broken)
        let stamp = Timestamp(milliseconds: seconds * 1000)
        #expect(unsafe DateTime(stamp) == DateTime(stamp, zone: broken.tm_gmtoff / 60))
    }
}
