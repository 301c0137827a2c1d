public import Economics
public import Primitives

extension CMW1 {
    /// The columns that outlive a step, with what they may hold under any settings.
    private static func small(_ c: CMW1Columns) -> [(ColumnView<Int32>, ClosedRange<Int32>)] {
        let price = Int32(CMW1Columns.levels) - 1
        return [
            (c.cost, 20...79), (c.price, 20...price), (c.capacity, 0...200),
            (c.sellPart, 0...1_000),
            (c.fixedCost, 500...3_000), (c.active, 0...1), (c.honest, 0...1),
            (c.streak, 0...1_000_000), (c.income, 4_000...16_000), (c.bid, 2...4_000),
            (c.base, 40...200), (c.budget, 0...128_000),
        ]
    }

    private static func large(_ c: CMW1Columns) -> [(ColumnView<Int64>, ClosedRange<Int64>)] {
        let money = -1_000_000_000_000_000_000...1_000_000_000_000_000_000 as ClosedRange<Int64>
        let tokens: ClosedRange<Int64> = 0...1_000_000_000_000_000
        return [
            (c.bond, 0...1_000_000_000), (c.tokens, tokens), (c.cash, money), (c.average, money),
        ]
    }

    /// Steps, history, pool, agents, then each column that outlives a step.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt64(steps))
        writer.write(history)
        writer.write(UInt64(bitPattern: poolTokens))
        writer.write(UInt64(bitPattern: poolMoney))
        writer.write(UInt64(settings.providers + settings.buyers))
        for (column, _) in CMW1.small(columns) {
            for place in 0..<column.count { writer.write(UInt32(bitPattern: column[place])) }
        }
        for (column, _) in CMW1.large(columns) {
            for place in 0..<column.count { writer.write(UInt64(bitPattern: column[place])) }
        }
    }

    /// Goes on from what `encode` wrote. The number of agents must be the same; the other values
    /// and the seed may be others.
    public init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        try self.init(values, rules: rules, seed: seed)
        let agents = UInt64(settings.providers + settings.buyers)
        var found = agents
        var isSound = true
        do throws(CodecError) {
            steps = Int(truncatingIfNeeded: try reader.readUInt64())
            history = try reader.readUInt64()
            poolTokens = Int64(bitPattern: try reader.readUInt64())
            poolMoney = Int64(bitPattern: try reader.readUInt64())
            let pool: ClosedRange<Int64> = 1...1_000_000_000_000_000_000
            isSound =
                (0...1_000_000_000).contains(steps) && pool.contains(poolTokens)
                && pool.contains(poolMoney)
            found = try reader.readUInt64()
            if found == agents {
                for (column, range) in CMW1.small(columns) {
                    for place in 0..<column.count {
                        let value = Int32(bitPattern: try reader.readUInt32())
                        isSound = isSound && range.contains(value)
                        column[place] = value
                    }
                }
                for (column, range) in CMW1.large(columns) {
                    for place in 0..<column.count {
                        let value = Int64(bitPattern: try reader.readUInt64())
                        isSound = isSound && range.contains(value)
                        column[place] = value
                    }
                }
            }
        } catch { isSound = false }
        if found != agents {
            throw ScenarioError("the checkpoint has \(found) agents and the scenario \(agents)")
        }
        if !isSound || !slotsAreSound { throw ScenarioError("the checkpoint is not one of cmw1") }
        index()
    }

    /// Whether free slots have nothing and the others something to serve with.
    private var slotsAreSound: Bool {
        let c = columns
        return (0..<c.providers).allSatisfy { slot in
            c.active[slot] == 0
                ? c.capacity[slot] == 0 && c.sellPart[slot] == 1_000 && c.bond[slot] == 0
                : c.capacity[slot] >= 50
        }
    }
}
