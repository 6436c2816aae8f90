import MailQueue
import SMTP
import Testing

@Suite("Retry schedule: S5321-4.5.4.1-03, S5321-4.5.4.1-04, S5321-4.5.4.1-05")
struct RetryScheduleTests {
    let arrival = Timestamp(milliseconds: 1_800_000_000_000)

    @Test(arguments: [
        (attempts: 0, after: 0, expected: 300), (1, 0, 300), (2, 300, 900), (3, 1200, 1800), (6, 15000, 14400),
        (99, 15000, 14400), (Int.max, 20000, 14400),
        // The last attempt is made when the time is up.
        (30, 5 * 86400 - 100, 100), (30, 5 * 86400 - 1, 1),
    ])
    func nextAttempt(attempts: Int, after: Int, expected: Int) {
        var randomness = Middle()
        let now = self.arrival + .seconds(after)
        let next = RetrySchedule().nextAttempt(
            after: attempts,
            arrival: self.arrival,
            now: now,
            randomness: &randomness
        )
        #expect(next.map { ($0 - now).inMilliseconds } == Int64(expected) * 1000)
    }

    @Test(arguments: [5 * 86400, 5 * 86400 + 1, 50 * 86400])
    func attemptsEnd(after: Int) {
        var randomness = Middle()
        let now = self.arrival + .seconds(after)
        #expect(RetrySchedule().nextAttempt(after: 3, arrival: self.arrival, now: now, randomness: &randomness) == nil)
    }

    @Test func theSpreadIsATenth() {
        var randomness = SystemRandomNumberGenerator()
        let schedule = RetrySchedule()
        let waits = (0..<1000).compactMap { _ in
            schedule.nextAttempt(after: 1, arrival: self.arrival, now: self.arrival, randomness: &randomness)
        }.map { ($0 - self.arrival).inMilliseconds }
        #expect(waits.allSatisfy { (270_000...330_000).contains($0) })
        #expect(Set(waits).count > 100)
    }

    @Test func strangeSettingsStillGiveASchedule() {
        var randomness = Middle()
        var schedule = RetrySchedule(intervals: [], warnAfter: .zero, expireAfter: .seconds(7200))
        func wait() -> Int64? {
            schedule.nextAttempt(after: 1, arrival: self.arrival, now: self.arrival, randomness: &randomness)
                .map { ($0 - self.arrival).inMilliseconds }
        }
        #expect(wait() == 1_800_000)
        schedule.intervals = [.zero]
        #expect(wait() == 1000)
        schedule.intervals = [.seconds(Int64.max / 2)]
        #expect(wait() == 7_200_000)
    }

    @Test func aWarningIsDueAfterFourHours() {
        let schedule = RetrySchedule()
        #expect(!schedule.isLate(arrival: self.arrival, now: self.arrival + .seconds(14399)))
        #expect(schedule.isLate(arrival: self.arrival, now: self.arrival + .seconds(14400)))
    }
}
