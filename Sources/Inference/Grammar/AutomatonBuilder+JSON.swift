/// The parts of a JSON text (RFC 8259). What is written is a subset of it: one kind of white space
/// at a time and not much of it, and numbers that readers hold.
extension AutomatonBuilder {
    private static let maximumIndent = 24
    private static let hexadecimal: [ClosedRange<UInt8>] = [0x30...0x39, 0x41...0x46, 0x61...0x66]

    /// Nothing, one space, or a new line with some indent.
    mutating func space(from: State, to: State) throws(SchemaError) {
        let space = try routine("space") { (builder, start, end) throws(SchemaError) in
            builder.jump(from: start, to: end)
            builder.read(0x20, 0x20, from: start, to: end)
            var here = try builder.state()
            builder.read(0x0a, 0x0a, from: start, to: here)
            for _ in 0..<Self.maximumIndent {
                let next = try builder.state()
                builder.jump(from: here, to: end)
                builder.read([0x09...0x09, 0x20...0x20], from: here, to: next)
                here = next
            }
            builder.jump(from: here, to: end)
        }
        call(space, from: from, to: to)
    }

    /// Any JSON value.
    mutating func anyValue(from: State, to: State) throws(SchemaError) {
        let value = try routine("value") { (builder, start, end) throws(SchemaError) in
            try builder.anyString(from: start, to: end)
            try builder.number(from: start, to: end)
            try builder.oneOf(
                ["true", "false", "null"].map { Array($0.utf8) }, from: start, to: end)
            try builder.anyObject(from: start, to: end)
            try builder.list(
                from: start, to: end, 0, nil
            ) { (builder, from, to) throws(SchemaError) in
                try builder.anyValue(from: from, to: to)
            }
        }
        call(value, from: from, to: to)
    }

    /// Any object.
    mutating func anyObject(from: State, to: State) throws(SchemaError) {
        let object = try routine("object") { (builder, start, end) throws(SchemaError) in
            try builder.separated("{", "}", from: start, to: end, 0, nil) {
                (builder, from, to) throws(SchemaError) in
                let colon = try builder.state()
                try builder.anyString(from: from, to: colon)
                let value = try builder.colon(from: colon)
                try builder.anyValue(from: value, to: to)
            }
        }
        call(object, from: from, to: to)
    }

    /// A colon and white space; returns the state behind them.
    mutating func colon(from: State) throws(SchemaError) -> State {
        let (space, value) = (try state(), try state())
        read(0x3a, 0x3a, from: from, to: space)
        try self.space(from: space, to: value)
        return value
    }

    /// A list whose elements are made by `element`.
    mutating func list(
        from: State, to: State, _ minimum: Int, _ maximum: Int?,
        _ element: (inout AutomatonBuilder, State, State) throws(SchemaError) -> Void
    ) throws(SchemaError) {
        try separated("[", "]", from: from, to: to, minimum, maximum, element)
    }

    /// Elements between brackets, with commas between: from `minimum` to `maximum` of them.
    private mutating func separated(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, from: State, to: State, _ minimum: Int,
        _ maximum: Int?,
        _ element: (inout AutomatonBuilder, State, State) throws(SchemaError) -> Void
    ) throws(SchemaError) {
        let (open, close) = (UInt8(ascii: open), UInt8(ascii: close))
        let (inside, first, closing) = (try state(), try state(), try state())
        read(open, open, from: from, to: inside)
        try space(from: inside, to: first)
        if minimum == 0 { read(close, close, from: first, to: to) }
        if maximum == 0 { return }
        read(close, close, from: closing, to: to)
        var before = try state()
        jump(from: first, to: before)
        // The last element made stands for all further ones if there is no end.
        let made = maximum ?? max(minimum, 1)
        for count in 1...made {
            let after = try state()
            try element(&self, before, after)
            if count >= minimum { try space(from: after, to: closing) }
            if count == made, maximum != nil { return }
            let comma = try state()
            read(0x2c, 0x2c, from: after, to: comma)
            let next = count == made ? before : try state()
            try space(from: comma, to: next)
            before = next
        }
    }

    /// Any text in quotes, with any escapes.
    mutating func anyString(from: State, to: State) throws(SchemaError) {
        let string = try routine("string") { (builder, start, end) throws(SchemaError) in
            let body = try builder.state()
            builder.read(0x22, 0x22, from: start, to: body)
            builder.read(0x22, 0x22, from: body, to: end)
            let slash = try builder.character(from: body, to: body)
            try builder.hexadecimalEscape(from: slash, to: body)
        }
        call(string, from: from, to: to)
    }

    /// A text in quotes of `minimum` to `maximum` characters, without hexadecimal escapes.
    mutating func string(
        from: State, to: State, _ minimum: Int, _ maximum: Int?
    ) throws(SchemaError) {
        let any = try routine("counted string") { (builder, start, end) throws(SchemaError) in
            let body = try builder.state()
            builder.read(0x22, 0x22, from: start, to: body)
            builder.read(0x22, 0x22, from: body, to: end)
            _ = try builder.character(from: body, to: body)
            builder.uncounted = body
        }
        if minimum == 0, maximum == nil { return call(any, from: from, to: to) }
        let name = "string \(minimum) \(maximum ?? -1)"
        let string = try routine(name) { (builder, start, end) throws(SchemaError) in
            var here = try builder.state()
            builder.read(0x22, 0x22, from: start, to: here)
            for count in 0..<(maximum ?? minimum) {
                builder.counted[here] = Automaton.Count(
                    least: max(minimum - count, 0), most: maximum.map { $0 - count })
                if count >= minimum { builder.read(0x22, 0x22, from: here, to: end) }
                let next = try builder.state()
                _ = try builder.character(from: here, to: next)
                here = next
            }
            builder.counted[here] = Automaton.Count(
                least: 0, most: maximum == nil ? nil : 0)
            builder.read(0x22, 0x22, from: here, to: end)
            if maximum == nil { _ = try builder.character(from: here, to: here) }
        }
        call(string, from: from, to: to)
    }

    /// States within a character of several bytes that ends in one state.
    struct Tails {
        fileprivate let one, two, three: State
        /// After the lead bytes whose second byte has a range of its own.
        fileprivate let special: [(lead: UInt8, state: State)]
    }

    /// The rest of any character of several bytes, which ends in `end`: the well-formed sequences
    /// of Unicode's table 3-7.
    mutating func tails(to end: State) throws(SchemaError) -> Tails {
        let (one, two, three) = (try state(), try state(), try state())
        let tail: ClosedRange<UInt8> = 0x80...0xbf
        read([tail], from: one, to: end)
        read([tail], from: two, to: one)
        read([tail], from: three, to: two)
        var special: [(lead: UInt8, state: State)] = []
        for (lead, second, next): (UInt8, ClosedRange<UInt8>, State) in [
            (0xe0, 0xa0...0xbf, one), (0xed, 0x80...0x9f, one), (0xf0, 0x90...0xbf, two),
            (0xf4, 0x80...0x8f, two),
        ] {
            let state = try state()
            read([second], from: state, to: next)
            special.append((lead, state))
        }
        return Tails(one: one, two: two, three: three, special: special)
    }

    /// Begins a character of several bytes.
    mutating func leads(from: State, to tails: Tails) {
        read([0xc2...0xdf], from: from, to: tails.one)
        read([0xe1...0xec, 0xee...0xef], from: from, to: tails.two)
        read([0xf1...0xf3], from: from, to: tails.three)
        for (lead, state) in tails.special { read(lead, lead, from: from, to: state) }
    }

    /// One character of a text in quotes, or a short escape; returns the state behind the
    /// backslash.
    private mutating func character(from: State, to: State) throws(SchemaError) -> State {
        read([0x20...0x21, 0x23...0x5b, 0x5d...0x7f], from: from, to: to)
        leads(from: from, to: try tails(to: to))
        let slash = try state()
        read(0x5c, 0x5c, from: from, to: slash)
        for byte in Array("\"\\/bfnrt".utf8) { read(byte, byte, from: slash, to: to) }
        return slash
    }

    /// `u` and four hexadecimal digits; two of these for a character above U+FFFF, never half.
    private mutating func hexadecimalEscape(from: State, to: State) throws(SchemaError) {
        func digits(
            _ first: [ClosedRange<UInt8>], _ second: [ClosedRange<UInt8>], from: State, to: State,
            _ builder: inout AutomatonBuilder
        ) throws(SchemaError) {
            let (a, b, c) = (try builder.state(), try builder.state(), try builder.state())
            builder.read(first, from: from, to: a)
            builder.read(second, from: a, to: b)
            builder.read(Self.hexadecimal, from: b, to: c)
            builder.read(Self.hexadecimal, from: c, to: to)
        }
        let letterD: [ClosedRange<UInt8>] = [0x44...0x44, 0x64...0x64]
        let (escape, half, slash, low) = (try state(), try state(), try state(), try state())
        read(0x75, 0x75, from: from, to: escape)
        try digits(
            [0x30...0x39, 0x41...0x43, 0x45...0x46, 0x61...0x63, 0x65...0x66], Self.hexadecimal,
            from: escape, to: to, &self)
        try digits(letterD, [0x30...0x37], from: escape, to: to, &self)
        try digits(
            letterD, [0x38...0x39, 0x41...0x42, 0x61...0x62], from: escape, to: half, &self)
        read(0x5c, 0x5c, from: half, to: slash)
        read(0x75, 0x75, from: slash, to: low)
        try digits(letterD, [0x43...0x46, 0x63...0x66], from: low, to: to, &self)
    }

    /// A text in quotes that is none of `names`, without escapes. The names must be ASCII, which
    /// the caller has checked.
    mutating func name(
        besides names: [String], from: State, to: State
    ) throws(SchemaError) {
        let (root, other) = (try state(), try state())
        read(0x22, 0x22, from: from, to: root)
        read(0x22, 0x22, from: other, to: to)
        let tails = try tails(to: other)
        read([0x20...0x21, 0x23...0x5b, 0x5d...0x7f], from: other, to: other)
        leads(from: other, to: tails)
        // What names begin with, in the order in which it is met.
        var prefixes: [(state: State, next: [UInt8: State], isName: Bool)] = [(root, [:], false)]
        for name in names {
            var here = 0
            for byte in name.utf8 {
                if let next = prefixes[here].next[byte] {
                    here = Int(next)
                } else {
                    prefixes[here].next[byte] = State(prefixes.count)
                    here = prefixes.count
                    prefixes.append((try state(), [:], false))
                }
            }
            prefixes[here].isName = true
        }
        for prefix in prefixes {
            if !prefix.isName { read(0x22, 0x22, from: prefix.state, to: to) }
            leads(from: prefix.state, to: tails)
            for byte in UInt8(0x20)...0x7f where byte != 0x22 && byte != 0x5c {
                let next = prefix.next[byte].map { prefixes[Int($0)].state } ?? other
                read(byte, byte, from: prefix.state, to: next)
            }
        }
    }
}
