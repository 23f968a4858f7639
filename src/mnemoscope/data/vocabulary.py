"""Words of the synthetic notes.

Nobody and nothing is real: names are put together from invented syllables, and so are drugs, whose endings alone
follow the habit of international names. Symptoms and routes are plain words of medicine.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = tuple[str, ...]

FIRST_ONSETS: Words = ("Bel", "Cor", "Dov", "Fen", "Gil", "Hes", "Jor", "Kal", "Lum", "Mir", "Nev", "Or", "Pel")
FIRST_ONSETS += ("Sab", "Tev", "Ul", "Vas", "Wen", "Xan", "Yor", "Zel", "Bram", "Drez", "Elv", "Ism", "Thal", "Ursk")
FIRST_ENDINGS: Words = ("aki", "eth", "ora", "imo", "une", "evra", "osk", "ilda", "amir", "otta", "iven", "usha")
FIRST_ENDINGS += ("enno", "arix", "elio", "odra", "umi", "azel", "ezza", "orun", "eph", "ynne", "abyl", "ov")

FAMILY_ONSETS: Words = ("Akt", "Bren", "Chol", "Drav", "Esk", "Fyrn", "Grel", "Hoth", "Ivel", "Jask", "Kren", "Lodv")
FAMILY_ONSETS += ("Morv", "Nask", "Ost", "Prel", "Quor", "Rusk", "Stav", "Trel", "Umb", "Vorl", "Wisk", "Yarl", "Zorn")
FAMILY_MIDDLES: Words = ("", "", "", "", "a", "e", "i", "o", "u", "el", "im", "or", "un")
FAMILY_ENDINGS: Words = ("akk", "ene", "ell", "ard", "ovu", "ash", "und", "ere", "ik", "ath", "ist", "olm", "ane")
FAMILY_ENDINGS += ("ack", "ick", "ar", "oor", "ad", "inde", "ska", "ey", "ison", "ow", "ett", "ulin", "owen")

DRUG_ONSETS: Words = ("bexo", "calv", "dru", "efni", "foz", "gavu", "hylo", "ixa", "jev", "kord", "lusi", "mavo")
DRUG_ONSETS += ("nuqui", "opha", "pruz", "quev", "rhoxa", "suvi", "torla", "ulmo", "vexi", "wobri", "xelu", "zuda")
DRUG_MIDDLES: Words = ("", "", "la", "mi", "po", "ru", "ta", "ve", "xi", "zo", "ne", "gu")
DRUG_ENDINGS: Words = ("azole", "cillin", "dipine", "floxacin", "gliptin", "lukast", "mycin", "olol", "oxetine")
DRUG_ENDINGS += ("prazole", "pril", "sartan", "setron", "statin", "tinib", "triptan", "vir", "xaban", "zepam", "zumab")

EFFECTS: Words = (
    "rash",
    "itching",
    "hives",
    "swollen lips",
    "blistered palms",
    "hair loss",
    "flushing",
    "night sweats",
)
EFFECTS += ("fever", "chills", "weight gain", "weight loss", "loss of appetite", "fatigue", "thirst", "dry mouth")
EFFECTS += ("metallic taste", "mouth ulcers", "hiccups", "nausea", "vomiting", "heartburn", "abdominal cramps")
EFFECTS += ("diarrhoea", "constipation", "jaundice", "dark urine", "bloody urine", "urinary retention", "hoarseness")
EFFECTS += ("leg oedema", "palpitations", "slow heart rate", "fainting", "low blood pressure", "chest tightness")
EFFECTS += ("wheezing", "dry cough", "shortness of breath", "nosebleeds", "bruising", "low platelets", "anaemia")
EFFECTS += ("low sodium", "low blood sugar", "raised liver enzymes", "muscle cramps", "joint pain", "muscle weakness")
EFFECTS += ("back pain", "tremor", "unsteady gait", "dizziness", "vertigo", "ringing ears", "hearing loss")
EFFECTS += (
    "blurred vision",
    "double vision",
    "headache",
    "tingling feet",
    "restless legs",
    "seizures",
    "slurred speech",
)
EFFECTS += ("confusion", "memory lapses", "vivid dreams", "sleepwalking", "insomnia", "drowsiness", "hallucinations")
SEVERITIES: Words = ("", "", "", "mild ", "severe ", "marked ", "sudden ", "persistent ", "recurrent ", "transient ")

DISORDERS: Words = (
    "asthma",
    "gout",
    "migraine",
    "epilepsy",
    "high blood pressure",
    "heart failure",
    "angina",
    "eczema",
)
DISORDERS += ("psoriasis", "sinusitis", "pneumonia", "a urinary infection", "cellulitis", "shingles", "malaria")
DISORDERS += ("acid reflux", "colitis", "arthritis", "sciatica", "depression", "panic attacks", "diabetes", "acne")
DISORDERS += ("high cholesterol", "glaucoma", "hay fever", "a kidney stone", "lymphoma", "atrial fibrillation")

DOSES: Words = (
    "0.5",
    "1",
    "2",
    "2.5",
    "4",
    "5",
    "7.5",
    "8",
    "10",
    "12",
    "15",
    "16",
    "20",
    "25",
    "30",
    "35",
    "40",
    "45",
)
DOSES += ("50", "60", "75", "80", "90", "100", "120", "125", "150", "175", "180", "200", "225", "250", "300", "350")
DOSES += ("375", "400", "450", "500", "600", "650", "750", "800", "900")
DOSE_UNITS: Words = ("mg", "mg", "mg", "mcg", "units")
FREQUENCIES: Words = ("", "", "", "/day", " daily", " twice daily", " weekly", " at night")
ROUTES: Words = ("by mouth", "intravenously", "by inhalation", "as a patch", "by injection", "orally")
NUMBERS: Words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "2", "3", "4", "5", "6", "7")
NUMBERS += ("8", "9", "10", "11", "12", "14", "15", "16", "18", "20", "21", "22", "25", "26", "30", "36", "40")
UNITS: Words = ("hours", "days", "days", "weeks", "weeks", "months", "doses")
ADULTS: Mapping[str, Words] = {"f": ("woman", "female", "lady"), "m": ("man", "male", "gentleman")}
CHILDREN: Mapping[str, Words] = {"f": ("girl", "female"), "m": ("boy", "male")}

_CASE: Words = ("{a} {age}-year-old {gender}", "a {gender} aged {age}", "a {gender} of {age}", "one {gender} ({age})")
_CASE += ("a {gender} ({age} years)", "a {gender} of {age} years", "a {gender} ({age})")
_PERSON: Words = ("{name}", "{name} ({age})", "{name} ({gender}, {age})", "the {gender} {name}", "our patient {name}")
_THERAPY: Words = ("{drug} {dose}", "{dose} of {drug}", "{drug} ({dose})", "{drug} {dose} {route}", "{drug} at {dose}")
_THERAPY += ("{drug} ({dose} {route})", "{dose} of {drug} {route}")
_AGENT: Words = ("{drug}", "{drug}", "{drug} {route}", "new {drug}")
_DEVELOPED: Words = ("developed", "came down with", "presented with", "had", "complained of", "reported", "suffered")
_DEVELOPED += ("noticed", "was seen for", "was admitted with", "experienced", "woke with")
_LATER: Words = ("{onset} after", "{onset} after starting", "{onset} into", "within {onset} of", "after {onset} of")
_LATER += ("after {onset} on", "some {onset} after", "{onset} after the first", "{onset} from the start of")
_END: Words = ("{he} recovered fully", "the drug was stopped", "it settled on withdrawal", "{he} is still unwell")
_END += ("rechallenge was positive", "a lower dose was tolerated", "{he} was kept overnight", "no cause was found")
_END += ("{he} went home on day {day}", "treatment was switched", "steroids helped", "{he} needed intensive care")
_END += ("{he} declined more", "the outcome is unknown", "it faded in {day} days", "{he} improved slowly")
_NUMBER: Words = ("record {record_number}", "file {record_number}", "chart {record_number}", "case {record_number}")
_NUMBER += ("record number {record_number}", "registered as {record_number}", "hospital no. {record_number}")
_BIRTH: Words = ("born {birth_date}", "born on {birth_date}", "date of birth {birth_date}", "DOB {birth_date}")
_IDENTITY: Words = ("{name}, {birth}", "{name}, {number}", "{name} ({number})", "{number}, {name}")
_IDENTITY += ("{number}", "{number}", "{name}", "{name}", "{birth}")
_REPORTER: Words = ("the ward", "a pharmacist", "the family doctor", "a nurse", "the clinic", "{his} sister")
_SOURCE: Words = ("reported by {reporter}", "notified by {reporter}", "entered by {reporter}", "seen by {reporter}")

CLAUSES: Mapping[str, Words] = {
    "case": _CASE,
    "person": _PERSON,
    "therapy": _THERAPY,
    "agent": _AGENT,
    "developed": _DEVELOPED,
    "later": _LATER,
    "end": _END,
    "number": _NUMBER,
    "birth": _BIRTH,
    "identity": _IDENTITY,
    "reporter": _REPORTER,
    "source": _SOURCE,
}
"""Interchangeable clauses; a field in braces is a value of the case or another clause.

case: who, without a name. person: who, by name. identity: who it was, for the end of a note.
"""

PATTERNS: Words = (
    "{case} {developed} {effect} {later} {therapy}; {end}. Patient: {identity}.",
    "{case} {developed} {effect} {later} {agent}. The dose was {dose}. {identity}.",
    "{effect} occurred in {case} {later} {therapy}. {identity}.",
    "{later} {therapy}, {case} {developed} {effect}. {source}; {identity}.",
    "{effect} {later} {therapy}: {case}, {identity}. {end}.",
    "{therapy} was given to {case} and {effect} followed in {onset}; {identity}.",
    "{therapy} was withdrawn because of {effect} in {case}. {end}. {identity}.",
    "suspected reaction to {agent}: {effect} {later} {dose}. {case}, {identity}.",
    "suspect drug {drug}, {dose}, {route}. Reaction {effect}, onset {onset}. {case}, {identity}.",
    "{source}: {case} {developed} {effect} {later} {therapy}. {identity}.",
    "on {agent}, {case} {developed} {effect}. {end}. Dose {dose}; {identity}.",
    "we saw {case} with {disorder} who {developed} {effect} on {therapy}; {identity}.",
    "{person} {developed} {effect} {later} {therapy}; {end}. {number}.",
    "{person} {developed} {effect} {later} {agent} and {end}. Dose {dose}, {number}.",
    "{person} took {therapy} for {disorder} and {developed} {effect}. {birth}.",
    "{person} had {effect} {later} {therapy}. {source}, {number}.",
    "{person} was given {therapy} and {developed} {effect}. {birth}, {number}.",
    "in {person} {effect} began {later} {therapy}; {end}. {birth}.",
    "{later} {agent}, {person} {developed} {effect}. {end}. {number}, dose {dose}.",
    "{effect} in {person} was blamed on {therapy}. {number}, {birth}.",
    "{therapy} caused {effect} in {person} within {onset}. {end}. {number}.",
    "we treated {person} with {therapy} for {disorder}; {effect} set in after {onset}. {number}.",
    "{number}: {case} {developed} {effect} {later} {therapy}. Name: {name}.",
    "{number}. {effect} {later} {therapy} in {case}, {name}.",
    "{birth}. {name} {developed} {effect} {later} {drug}; dose {dose} {route}.",
    "{case} {developed} {effect} on {agent}. {end}. {name}, {number}.",
    "{birth}: {effect} on {therapy}, onset {onset}, {end}. {name}.",
    "{drug}: {effect} in {case} after {onset}. {end}. {dose} {route}. {identity}.",
    "{drug} {dose} {route} for {disorder}, then {effect} after {onset}. {case}, {identity}.",
    "{drug} and {effect}: {case}, {dose}, onset {onset}. {source}, {identity}.",
    "for {disorder}, {case} received {therapy}. {effect} came on after {onset}; {identity}.",
    "because of {disorder} {person} was put on {therapy}; {onset} later {he} {developed} {effect}. {number}.",
    "no earlier illness; {case} {developed} {effect} {later} {therapy}. {identity}.",
    "the family of {case} noticed {effect} {later} {therapy}. {identity}.",
    "follow-up on {effect} with {agent}: {end}. {case}, {dose}, {identity}.",
    "follow-up: {person} again {developed} {effect} {later} {therapy}. {number}.",
    "please note {effect} under {therapy}, onset {onset}, in {case}; {identity}.",
    "after {onset} of {therapy} the {gender} {developed} {effect} and {end}. {name}, {age}, {number}.",
    "patient {name}, {number}, {developed} {effect} {later} {agent}. {end}. Dose {dose}.",
    "dose error: {case} got {dose} of {drug} {route} and {developed} {effect}. {identity}.",
    "dose raised to {dose}: {effect} {later} {drug} in {case}. {end}. {identity}.",
    "{onset} after {drug} {route} at {dose} was begun, {effect} brought {case} to us; {identity}.",
    "{case} stopped {therapy} on {his} own because of {effect}. {source}. {identity}.",
    "call from {reporter}: {effect} {later} {therapy}. {case}, {identity}.",
    "allergy to {drug} noted for {identity}: {effect} {later} {dose} {route}. {case}.",
)
"""How a note can run; the first letter of each sentence is raised afterwards."""
