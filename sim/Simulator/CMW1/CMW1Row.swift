/// The aggregates of one step, in the order in which they are folded.
struct CMW1Row {
    var active: Int64 = 0
    var demand: Int64 = 0
    var traded: Int64 = 0
    var gross: Int64 = 0
    var fees: Int64 = 0
    var confiscated: Int64 = 0
    var slashed: Int64 = 0
    var minted: Int64 = 0
    var sold: Int64 = 0
    var out: Int64 = 0
    var burned: Int64 = 0
    var poolTokens: Int64 = 0
    var poolMoney: Int64 = 0
    var exits: Int64 = 0
    var entries: Int64 = 0
    var caught: Int64 = 0

    /// What a model of sixteen metrics tells.
    func write(to row: inout [Int64]) {
        let values = (
            (active, demand, traded, gross), (fees, confiscated, slashed, minted),
            (sold, out, burned, poolTokens), (poolMoney, exits, entries, caught)
        )
        (row[0], row[1], row[2], row[3]) = values.0
        (row[4], row[5], row[6], row[7]) = values.1
        (row[8], row[9], row[10], row[11]) = values.2
        (row[12], row[13], row[14], row[15]) = values.3
    }

    static let metrics: [MetricSpec] = {
        let money = Quantity.decimal(places: 4, of: "USD")
        let token = Quantity.decimal(places: 3, of: "tokens")
        return [
            .init("active", .count(of: "providers"), about: "Providers at the step's start."),
            .init("demand", .count(of: "units"), about: "Work that buyers want and can pay."),
            .init("traded", .count(of: "units"), about: "Work that is served."),
            .init("gross", money, about: "What buyers pay for it."),
            .init("fees", money, about: "The fees on it, which buy tokens back."),
            .init("confiscated", money, about: "Pay that caught cheaters do not get."),
            .init("slashed", money, about: "What caught cheaters lose of their bonds."),
            .init("minted", token, about: "New tokens."),
            .init("sold", token, about: "Tokens that providers sell to the pool."),
            .init("out", money, about: "What the pool pays for them."),
            .init("burned", token, about: "Tokens that the fees buy and burn."),
            .init("pool_tokens", token, about: "Tokens in the pool at the step's end."),
            .init("pool_money", money, about: "Money in the pool at the step's end."),
            .init("exits", .count(of: "providers"), about: "Providers that leave."),
            .init("entries", .count(of: "providers"), about: "Providers that enter."),
            .init("caught", .count(of: "providers"), about: "Cheaters that are found out."),
        ]
    }()
}
