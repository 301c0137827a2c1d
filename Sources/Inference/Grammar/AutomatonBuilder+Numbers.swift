/// Numbers as JSON writes them.
extension AutomatonBuilder {
    /// The most digits of a whole number, so that it fits into 64 bits.
    static let maximumDigits = 18
    /// Whole numbers are never larger.
    static let largestInteger = 999_999_999_999_999_999
    private static let digit: ClosedRange<UInt8> = 0x30...0x39

    /// A whole number of at most `maximumDigits` digits.
    mutating func integer(from: State, to: State) throws(SchemaError) {
        let integer = try routine("integer") { (builder, start, end) throws(SchemaError) in
            try builder.digits(from: start, to: end)
        }
        call(integer, from: from, to: to)
    }

    private mutating func digits(from: State, to: State) throws(SchemaError) {
        let (unsigned, rest) = (try state(), try state())
        jump(from: from, to: unsigned)
        read(0x2d, 0x2d, from: from, to: unsigned)
        read(0x30, 0x30, from: unsigned, to: to)
        read(0x31, 0x39, from: unsigned, to: rest)
        try some(Self.digit, 0...Self.maximumDigits - 1, from: rest, to: to)
    }

    /// A number with at most `maximumDigits` digits before and behind its point, and two in its
    /// exponent.
    mutating func number(from: State, to: State) throws(SchemaError) {
        let number = try routine("number") { (builder, start, end) throws(SchemaError) in
            let (whole, point, fraction) = (
                try builder.state(), try builder.state(), try builder.state()
            )
            let (mark, exponent) = (try builder.state(), try builder.state())
            try builder.digits(from: start, to: whole)
            builder.jump(from: whole, to: fraction)
            builder.read(0x2e, 0x2e, from: whole, to: point)
            try builder.some(Self.digit, 1...Self.maximumDigits, from: point, to: fraction)
            builder.jump(from: fraction, to: end)
            builder.read([0x45...0x45, 0x65...0x65], from: fraction, to: mark)
            builder.jump(from: mark, to: exponent)
            builder.read([0x2b...0x2b, 0x2d...0x2d], from: mark, to: exponent)
            try builder.some(Self.digit, 1...2, from: exponent, to: end)
        }
        call(number, from: from, to: to)
    }

    /// As many bytes of a range as `counts` says.
    private mutating func some(
        _ bytes: ClosedRange<UInt8>, _ counts: ClosedRange<Int>, from: State, to: State
    ) throws(SchemaError) {
        var here = from
        if counts.contains(0) { jump(from: here, to: to) }
        for count in 1...counts.upperBound {
            let next = try state()
            read([bytes], from: here, to: next)
            here = next
            if counts.contains(count) { jump(from: here, to: to) }
        }
    }

    /// A whole number in a range, whose bounds have at most `maximumDigits` digits.
    mutating func integer(
        in range: ClosedRange<Int>, from: State, to: State
    ) throws(SchemaError) {
        if range.upperBound >= 0 {
            try magnitude(max(range.lowerBound, 0), range.upperBound, from: from, to: to)
        }
        if range.lowerBound < 0 {
            let minus = try state()
            read(0x2d, 0x2d, from: from, to: minus)
            try magnitude(max(-range.upperBound, 1), -range.lowerBound, from: minus, to: to)
        }
    }

    private mutating func magnitude(
        _ low: Int, _ high: Int, from: State, to: State
    ) throws(SchemaError) {
        var first = 0
        for count in 1...Self.maximumDigits {
            // All numbers with this many digits.
            let last = first == 0 ? 9 : first * 10 - 1
            let range = (max(low, first), min(high, last))
            if range.0 <= range.1 {
                try sameLength(
                    Array(String(range.0).utf8), Array(String(range.1).utf8), from: from, to: to)
            }
            first = count == 1 ? 10 : first * 10
        }
    }

    /// Digits from `low` to `high`, which are equally many.
    private mutating func sameLength(
        _ low: [UInt8], _ high: [UInt8], from: State, to: State
    ) throws(SchemaError) {
        // Equal to both bounds so far, to the low one, to the high one, to none.
        var (both, lower, upper, free): (State?, State?, State?, State?) = (from, nil, nil, nil)
        for place in low.indices {
            let (least, most) = (low[place], high[place])
            var next: [State] = []
            for _ in 0..<4 { next.append(place == low.count - 1 ? to : try state()) }
            if let both {
                if least == most {
                    read(least, least, from: both, to: next[0])
                } else {
                    read(least, least, from: both, to: next[1])
                    read(most, most, from: both, to: next[2])
                    if least + 1 < most { read(least + 1, most - 1, from: both, to: next[3]) }
                }
            }
            if let lower {
                read(least, least, from: lower, to: next[1])
                if least < 0x39 { read(least + 1, 0x39, from: lower, to: next[3]) }
            }
            if let upper {
                read(most, most, from: upper, to: next[2])
                if most > 0x30 { read(0x30, most - 1, from: upper, to: next[3]) }
            }
            if let free { read([Self.digit], from: free, to: next[3]) }
            (both, lower, upper, free) = (next[0], next[1], next[2], next[3])
        }
    }
}
