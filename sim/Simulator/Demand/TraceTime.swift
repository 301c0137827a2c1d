/// Times of traces: ticks of 100 nanoseconds since 1970, UTC, as those of 2023 have seven decimals.
enum TraceTime {
    /// Ticks of a second.
    static let second: Int64 = 10_000_000
    /// Ticks of an hour.
    static let hour = 3_600 * second

    /// Reads `2023-11-16 18:15:46.6805900` or `2024-05-10 00:00:00.009930+00:00`: a day and a time
    /// of day, up to seven decimals or none, a zone or none. Gives whether there is one.
    static func read(
        _ cell: ArraySlice<UInt8>
    ) throws(ScenarioError) -> (ticks: Int64, isZoned: Bool) {
        var text = Scanner(rest: cell)
        guard let year = text.number(4), text.take("-"), let month = text.number(2), text.take("-"),
            let day = text.number(2), text.take(" "), let hour = text.number(2), text.take(":"),
            let minute = text.number(2), text.take(":"), let second = text.number(2),
            let fraction = text.fraction(), let zone = text.zone(), text.rest.isEmpty,
            year > 1970, (1...12).contains(month), (1...length(of: month, year)).contains(day),
            hour < 24, minute < 60, second < 60
        else {
            throw ScenarioError(
                "`\(String(decoding: cell, as: UTF8.self))` is not a time such as "
                    + "2023-11-16 18:15:46.6805900 or 2024-05-10 00:00:00.009930+00:00")
        }
        let days = daysBefore(year, month) + day - 1
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - zone.seconds
        return (seconds * TraceTime.second + fraction, zone.isThere)
    }

    /// The text of a time in the form of 2024.
    static func text(_ ticks: Int64) -> String {
        let (seconds, fraction) = ticks.quotientAndRemainder(dividingBy: second)
        let (days, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
        var year: Int64 = 1970
        while daysBefore(year + 1, 1) <= days { year += 1 }
        var month: Int64 = 1
        while month < 12, daysBefore(year, month + 1) <= days { month += 1 }
        let day = days - daysBefore(year, month) + 1
        let clock = [time / 3_600, time / 60 % 60, time % 60].map { padded($0, 2) }
        let micros = fraction / 10
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2)) "
            + clock.joined(separator: ":") + (micros > 0 ? "." + padded(micros, 6) : "") + "+00:00"
    }

    /// The hour of the week, from Monday midnight UTC: 0 to 167. 1970 began on a Thursday.
    static func hourOfWeek(_ ticks: Int64) -> Int {
        Int((ticks / hour + 3 * 24) % 168)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func length(of month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970 to the first of a month of the Gregorian calendar.
    private static func daysBefore(_ year: Int64, _ month: Int64) -> Int64 {
        let past = year - 1
        var days = past * 365 + past / 4 - past / 100 + past / 400 - 719_162
        for earlier in 1..<month { days += length(of: earlier, year) }
        return days
    }

    /// What is left of a text.
    private struct Scanner {
        var rest: ArraySlice<UInt8>

        mutating func take(_ letter: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: letter) else { return false }
            rest = rest.dropFirst()
            return true
        }

        private mutating func digit() -> Int64? {
            guard let byte = rest.first,
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            else { return nil }
            rest = rest.dropFirst()
            return Int64(byte - UInt8(ascii: "0"))
        }

        mutating func number(_ digits: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<digits {
                guard let next = digit() else { return nil }
                value = value * 10 + next
            }
            return value
        }

        /// Ticks behind the point: one to seven decimals, or nothing at all.
        mutating func fraction() -> Int64? {
            if !take(".") { return 0 }
            var (value, digits): (Int64, Int) = (0, 0)
            while let next = digit() {
                value = value * 10 + next
                digits += 1
                if digits > 7 { return nil }
            }
            if digits == 0 { return nil }
            for _ in digits..<7 { value *= 10 }
            return value
        }

        /// `+00:00`, or nothing at all.
        mutating func zone() -> (seconds: Int64, isThere: Bool)? {
            if rest.isEmpty { return (0, false) }
            let isEast = take("+")
            guard isEast || take("-"), let hours = number(2), take(":"), let minutes = number(2),
                hours <= 14, minutes < 60
            else { return nil }
            let seconds = hours * 3_600 + minutes * 60
            return (isEast ? seconds : -seconds, true)
        }
    }
}
