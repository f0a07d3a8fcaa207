// SPDX-License-Identifier: Apache-2.0

/// Thirty short documents such as a small office keeps, and questions with the one that answers each.
enum RelevanceCorpus {
    static let documents: [(name: String, text: String)] = [
        (
            "handbook/holidays.md",
            """
            # Holidays

            Every employee has twenty-eight days of paid leave a year. Up to five unused days may be carried over until
            the end of March. Requests go to the team lead at least two weeks ahead.
            """
        ),
        (
            "handbook/sickness.md",
            """
            # Illness

            Call the office before nine if you fall ill. A doctor's note is needed from the fourth day on. Wages are paid
            in full for six weeks.
            """
        ),
        (
            "handbook/travel-expenses.md",
            """
            # Travel

            ## Trains

            Second class is booked for journeys below three hours, first class above.

            ## Claims

            Receipts are handed in within thirty days. The company pays thirty cents for each kilometre driven in a private
            car.
            """
        ),
        (
            "handbook/remote-work.md",
            """
            # Working from home

            Two days a week may be spent at home. The company lends a screen and a chair. Core hours are ten to three.
            """
        ),
        (
            "handbook/security.md",
            """
            # Passwords and keys

            Passwords have at least fourteen characters and are kept in the vault. Lost key cards are reported to the
            porter at once, who blocks them.
            """
        ),
        (
            "handbook/onboarding.md",
            """
            # The first week

            A mentor shows newcomers around. On Monday they collect their laptop, on Tuesday they meet the board.
            """
        ),
        (
            "machines/printer.html",
            """
            <html><head><title>Printer XR-200</title></head><body><nav>Home Holidays Travel</nav>
            <h1>Printer XR-200</h1><h2>Paper jam</h2><p>Open the rear door and pull the sheet out gently. Close the door
            until it clicks.</p><h2>Toner</h2><p>Cartridges last for about four thousand pages. Shake a new one before use.
            </p></body></html>
            """
        ),
        (
            "machines/coffee.html",
            """
            <html><head><title>Coffee machine</title></head><body><h1>Coffee machine</h1><p>Fill in beans in the morning.
            The red lamp asks for water.</p><h2>Descaling</h2><p>Run the citric acid programme once a month. It takes forty
            minutes.</p></body></html>
            """
        ),
        (
            "machines/projector.html",
            """
            <title>Projector</title><h1>Projector in the meeting room</h1><p>The remote control lies in the top drawer.
            Choose the second input for laptops.<h2>Lamp</h2><p>The lamp must be replaced after two thousand hours.
            """
        ),
        (
            "machines/heating.html",
            """
            <title>Heating</title><h1>Heating</h1><p>The boiler in the basement is serviced each September by Hartmann
            &amp; Sons.</p><p>Below fifteen degrees call the caretaker.</p>
            """
        ),
        (
            "machines/lift.txt",
            """
            The lift carries eight persons or six hundred kilograms. If it stops between floors, press the yellow button
            and wait for the operator's voice. It is inspected every second year.
            """
        ),
        (
            "machines/alarm.txt",
            """
            The burglar alarm is armed by whoever leaves last. The code is changed on the first of each quarter. A false
            alarm costs ninety pounds.
            """
        ),
        (
            "projects/bridge.txt",
            """
            The bridge over the Tarn was begun in 2019. It is three hundred and forty metres long and carries two lanes
            and a footpath. The engineer in charge was Odile Ferrand. It cost eleven million.
            """
        ),
        (
            "projects/library.txt",
            """
            The new library in Brook Street holds sixty thousand volumes. Its reading room faces north, so that no sun falls
            on the pages. The architect was Tomas Reyes.
            """
        ),
        (
            "projects/harbour.txt",
            """
            The harbour wall was raised by a metre after the flood of 2013. Divers examine its foundations each spring.
            The stone came from the quarry at Penmore.
            """
        ),
        (
            "projects/school.md",
            """
            ---
            title: Hill School
            ---
            The gymnasium was given a new roof with solar panels. They yield forty thousand kilowatt hours a year, more than
            the whole building needs.
            """
        ),
        (
            "projects/museum.md",
            """
            # Museum of clocks

            The collection began with nine pocket watches. Its oldest piece is a tower clock of 1489. Admission is free on
            Sundays.
            """
        ),
        (
            "projects/theatre.md",
            """
            # Theatre

            ## Stage

            The revolving stage is twelve metres wide and driven by two motors.

            ## Seats

            There are four hundred and ten seats, of which twelve are for wheelchairs.
            """
        ),
        (
            "nature/otters.txt",
            """
            Otters returned to the upper river ten years ago. They feed on fish and crayfish and raise two or three cubs in a
            den called a holt.
            """
        ),
        (
            "nature/swifts.txt",
            """
            Swifts sleep in flight. They come back from Africa in the first days of May and leave early in August. Their
            nests are glued together with saliva.
            """
        ),
        (
            "nature/oak.txt",
            """
            The old oak on the green is about seven hundred years old. Its trunk measures nine metres around. Acorns were once
            fed to pigs.
            """
        ),
        (
            "nature/moss.html",
            """
            <h1>Moss</h1><p>Mosses have no roots. They take up water through their leaves and can dry out for years without
            dying.</p>
            """
        ),
        (
            "nature/volcano.html",
            """
            <title>Volcanoes</title><h1>Monte Sorrel</h1><p>The volcano erupted last in 1902. The ash buried three villages.
            Vines grow well on its slopes today.</p>
            """
        ),
        (
            "nature/tides.html",
            """
            <h1>Tides</h1><p>Spring tides follow new and full moon, when sun and moon pull along one line. The difference in
            Penmore bay is seven metres.</p>
            """
        ),
        (
            "kitchen/bread.md",
            """
            # Rye bread

            Mix flour, water and sourdough in the evening. Bake for fifty minutes at two hundred and twenty degrees. Let it
            rest for a day before cutting.
            """
        ),
        (
            "kitchen/soup.md",
            """
            # Leek soup

            Sweat the leeks in butter, add potatoes and stock, and simmer for twenty minutes. Cream goes in at the end.
            """
        ),
        (
            "kitchen/jam.md",
            """
            # Plum jam

            Two parts of plums need one part of sugar. Stir until it sets on a cold plate. Sealed jars keep for two years.
            """
        ),
        (
            "letters/ferrand.txt",
            """
            Dear Odile, thank you for the drawings. The council has approved the second pier. We meet in Lyon on the ninth.
            Yours, Marta.
            """
        ),
        (
            "letters/reyes.txt",
            """
            Dear Tomas, the shelves have arrived, but the glass for the dome is late. The supplier speaks of three weeks.
            """
        ),
        (
            "letters/hartmann.txt",
            """
            Dear Mr. Hartmann, your invoice for the burner is higher than the offer. Please explain the difference of two
            hundred pounds.
            """
        ),
    ]

    static let questions: [(question: String, name: String)] = [
        ("How many days of paid leave do I get?", "holidays.md"),
        ("Can I carry over unused leave into the next year?", "holidays.md"),
        ("When do I need a doctor's note?", "sickness.md"),
        ("How much is paid per kilometre when I drive my own car?", "travel-expenses.md"),
        ("By when do I have to hand in receipts for my travels?", "travel-expenses.md"),
        ("How often may I work from home?", "remote-work.md"),
        ("What do I do when I lose my key card?", "security.md"),
        ("How long must a password be?", "security.md"),
        ("Who shows newcomers around in the first week?", "onboarding.md"),
        ("There is a paper jam in the printer, what now?", "printer.html"),
        ("How many pages does a toner cartridge last?", "printer.html"),
        ("How do I descale the coffee machine?", "coffee.html"),
        ("What does the red lamp of the coffee machine mean?", "coffee.html"),
        ("When must the projector's lamp be replaced?", "projector.html"),
        ("Who services the boiler?", "heating.html"),
        ("What should I do if the lift gets stuck between two floors?", "lift.txt"),
        ("What is the price of a false alarm?", "alarm.txt"),
        ("How long is the bridge over the Tarn?", "bridge.txt"),
        ("Which engineer built the bridge?", "bridge.txt"),
        ("Who was the architect of the library?", "library.txt"),
        ("Why does the reading room face north?", "library.txt"),
        ("Where did the stone of the harbour wall come from?", "harbour.txt"),
        ("How much electricity do the solar panels of Hill School yield?", "school.md"),
        ("When is admission to the museum free?", "museum.md"),
        ("What is the oldest clock in the collection?", "museum.md"),
        ("How many wheelchair seats does the theatre have?", "theatre.md"),
        ("What do otters eat?", "otters.txt"),
        ("When do swifts come back from Africa?", "swifts.txt"),
        ("How old is the oak on the green?", "oak.txt"),
        ("Do mosses have roots?", "moss.html"),
        ("When did the volcano last erupt?", "volcano.html"),
        ("How large are the tides in Penmore bay?", "tides.html"),
        ("How long does rye bread bake?", "bread.md"),
        ("How much sugar goes into plum jam?", "jam.md"),
        ("What has the council approved?", "ferrand.txt"),
        ("Whose invoice is higher than the offer?", "hartmann.txt"),
    ]
}
