/// Horizontal bars in groups, with whiskers where a range is known.
struct BarChart {
    struct Bar {
        let value: Double
        var low = Double.nan
        var high = Double.nan
    }

    /// What the bars are about, above them.
    var heading: String
    var xTitle: String
    /// Names of the bars within a group.
    var series: [String]
    /// Each with a bar for each series.
    var groups: [(name: String, bars: [Bar])]

    func element(title: String) -> String {
        let width = PlotFrame.width
        let barHeight = series.count > 1 ? 11.0 : 16.0
        let groupHeight = barHeight * Double(series.count) + 12
        let (top, room) = (34.0 + (series.count > 1 ? 22 : 0), groupHeight * Double(groups.count))
        let bottom = top + room
        var canvas = SVGCanvas(width: width, height: bottom + 46)
        let names = groups.map { SVGCanvas.width(of: $0.name) }
        let left = min(260, (names.max() ?? 0) + 24)
        let bars = groups.flatMap(\.bars)
        let all = bars.map(\.value) + bars.map(\.low) + bars.map(\.high) + [0]
        let scale = PlotScale(all, from: left, to: width - 30, padded: true)
        canvas.text(heading, 12, 20, style: "title")
        var place = 12.0
        for (number, name) in series.enumerated() where series.count > 1 {
            canvas.rectangle(place, 32, 18, 9, style: "bar \(PlotStyle.series(number))")
            canvas.text(name, place + 24, 41)
            place += SVGCanvas.width(of: name) + 48
        }
        for tick in scale.ticks {
            let x = scale.place(tick.value)
            canvas.line(x, top, x, bottom, style: tick.value == 0 ? "axis" : "grid")
            canvas.text(tick.text, x, bottom + 16, .middle)
        }
        for (row, group) in groups.enumerated() {
            let start = top + Double(row) * groupHeight + 6
            canvas.text(group.name, left - 10, start + groupHeight / 2 - 2, .end)
            for (number, bar) in group.bars.enumerated() where bar.value.isFinite {
                let y = start + Double(number) * barHeight
                let (zero, end) = (scale.place(0), scale.place(bar.value))
                canvas.rectangle(
                    min(zero, end), y, abs(end - zero), barHeight - 2,
                    style: "bar \(PlotStyle.series(number))",
                    tip: "\(group.name): \(ReportNumber.short(bar.value))")
                guard bar.low.isFinite, bar.high.isFinite else { continue }
                let middle = y + barHeight / 2 - 1
                let (low, high) = (scale.place(bar.low), scale.place(bar.high))
                canvas.line(low, middle, high, middle, style: "whisker")
                canvas.line(low, middle - 3, low, middle + 3, style: "whisker")
                canvas.line(high, middle - 3, high, middle + 3, style: "whisker")
            }
        }
        canvas.text(xTitle, (left + width - 30) / 2, bottom + 36, .middle, style: "title")
        return canvas.element(title: title)
    }

    /// The numbers, a row a bar.
    var csv: String {
        var text = "name,series,value,low,high\n"
        for group in groups {
            for (name, bar) in zip(series, group.bars) {
                text += "\(group.name),\(name),\(bar.value),\(bar.low),\(bar.high)\n"
            }
        }
        return text
    }
}
