/// One row of a table of the bench: a figure beside what it is compared with.
struct BenchRow: Encodable {
    var name: String
    /// Transfers a second, or what the unit says.
    var value: Double
    var unit = "transfers/s"
    /// Milliseconds until a reply, of 99 in 100 requests.
    var p99: Double?
    /// What it is compared with; `nil` where that is not here.
    var peer: String?
    var peerValue: Double?
    var ratio: Double? { peerValue.map { value / $0 } }

    func against(_ peer: String, _ value: Double) -> BenchRow {
        var row = self
        row.peer = peer
        row.peerValue = value
        return row
    }
}
