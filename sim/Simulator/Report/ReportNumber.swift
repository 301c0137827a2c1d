import Foundation

/// How pages write numbers.
enum ReportNumber {
    /// About three digits that count, thousands as k, M, G, T: `1.25k`, `-0.032`, `12`.
    static func short(_ value: Double, digits: Int = 3) -> String {
        guard value.isFinite else { return "–" }
        let size = abs(value)
        let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        let (scale, unit) = units.first { size >= $0.0 * 0.9995 } ?? (1, "")
        return trimmed(value / scale, digits: digits) + unit
    }

    /// Digits, three at least, that tell numbers of this range apart.
    static func digits(_ low: Double, _ high: Double) -> Int {
        let (size, span) = (max(abs(low), abs(high)), high - low)
        guard size > 0, span > 0 else { return 3 }
        return min(6, max(3, Int((log10(size / span) + 2).rounded(.up))))
    }

    /// The values of an axis' ticks: with as many places as their step needs.
    static func tick(_ value: Double, step: Double) -> String {
        let size = max(abs(value), step)
        let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        let (scale, unit) = units.first { size >= $0.0 && step >= $0.0 * 0.0999 } ?? (1, "")
        if value == 0 { return "0" }
        let places = max(0, Int((-log10(step / scale)).rounded(.up)) + (isRound(step) ? 0 : 1))
        return minus(trimZeros(String(format: "%.\(min(places, 12))f", value / scale))) + unit
    }

    /// A part as a percentage.
    static func percent(_ part: Double) -> String { trimmed(part * 100, digits: 3) + " %" }

    private static func isRound(_ step: Double) -> Bool {
        let mantissa = step / pow(10, floor(log10(step) + 1e-9))
        return abs(mantissa - mantissa.rounded()) < 1e-6
    }

    private static func trimmed(_ value: Double, digits: Int) -> String {
        if value == 0 { return "0" }
        let magnitude = Int(floor(log10(abs(value)) + 1e-12))
        let places = max(0, min(12, digits - 1 - magnitude))
        return minus(trimZeros(String(format: "%.\(places)f", value)))
    }

    private static func trimZeros(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var digits = text
        while digits.hasSuffix("0") { digits.removeLast() }
        if digits.hasSuffix(".") { digits.removeLast() }
        return digits == "-0" ? "0" : digits
    }

    private static func minus(_ text: String) -> String {
        text.hasPrefix("-") ? "\u{2212}" + text.dropFirst() : text
    }
}
