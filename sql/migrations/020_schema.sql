-- The tables of a small clinic.
-- Times are timestamptz, text is text with a check, keys are identities; whoever reads a patient's story finds it by index.

-- An exclusion constraint on a number and a range needs it.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE SCHEMA clinic AUTHORIZATION clinic_owner;
COMMENT ON SCHEMA clinic IS 'Sample application: a small clinic. Its data is synthetic.';
SET LOCAL ROLE clinic_owner;
SET LOCAL search_path = clinic;

CREATE TABLE providers (
    provider_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    licence     text NOT NULL UNIQUE CHECK (licence ~ '^L[0-9]{7}$'),
    family_name text NOT NULL CHECK (family_name <> ''),
    given_name  text NOT NULL CHECK (given_name <> ''),
    specialty   text NOT NULL CHECK (specialty IN ('general', 'cardiology', 'dermatology', 'paediatrics', 'orthopaedics',
                                                    'neurology')),
    active      boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE providers IS 'Who treats patients.';
COMMENT ON COLUMN providers.licence IS 'Number of the licence to practise.';

CREATE TABLE patients (
    patient_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_number text NOT NULL UNIQUE CHECK (record_number ~ '^P[0-9]{8}$'),
    family_name   text NOT NULL CHECK (family_name <> ''),
    given_name    text NOT NULL CHECK (given_name <> ''),
    birth_date    date NOT NULL CHECK (birth_date >= date '1900-01-01'),
    sex           text NOT NULL CHECK (sex IN ('female', 'male', 'other', 'unknown')),
    email         text CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    phone         text CHECK (phone ~ '^\+[0-9]{6,15}$'),
    postal_code   text NOT NULL CHECK (postal_code ~ '^[0-9]{5}$'),
    died_on       date CHECK (died_on >= birth_date),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE patients IS 'Who is treated. Every read of it is audited where pgaudit is loaded.';
COMMENT ON COLUMN patients.record_number IS 'What people call the patient by; never used again.';
CREATE INDEX patients_name_idx ON patients (family_name, given_name, birth_date);

CREATE TABLE appointments (
    appointment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id     bigint NOT NULL REFERENCES patients,
    provider_id    bigint NOT NULL REFERENCES providers,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    status         text NOT NULL DEFAULT 'booked' CHECK (status IN ('booked', 'arrived', 'done', 'cancelled', 'missed')),
    reason         text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT appointments_length_check CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '8 hours'),
    -- Two patients at once is what two clients can book, unless the database says no.
    CONSTRAINT appointments_provider_free EXCLUDE USING gist
        (provider_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE (status NOT IN ('cancelled', 'missed'))
);
COMMENT ON TABLE appointments IS 'When who sees whom.';
CREATE INDEX appointments_patient_idx ON appointments (patient_id, starts_at);
CREATE INDEX appointments_day_idx ON appointments (starts_at) INCLUDE (provider_id, status);

CREATE TABLE encounters (
    encounter_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id     bigint NOT NULL REFERENCES patients,
    provider_id    bigint NOT NULL REFERENCES providers,
    appointment_id bigint UNIQUE REFERENCES appointments ON DELETE SET NULL,
    kind           text NOT NULL CHECK (kind IN ('visit', 'emergency', 'inpatient', 'remote')),
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz CHECK (ended_at >= started_at),
    diagnosis      text CHECK (diagnosis ~ '^[A-Z][0-9]{2}(\.[0-9]{1,2})?$'),
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- So that what refers to an encounter can't name another patient than the encounter does.
    UNIQUE (encounter_id, patient_id)
);
COMMENT ON TABLE encounters IS 'What happened, with an appointment or without.';
COMMENT ON COLUMN encounters.diagnosis IS 'A code in the form of ICD-10.';
CREATE INDEX encounters_patient_idx ON encounters (patient_id, started_at);
CREATE INDEX encounters_provider_idx ON encounters (provider_id, started_at);

CREATE TABLE observations (
    observation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    encounter_id   bigint NOT NULL,
    patient_id     bigint NOT NULL,
    code           text NOT NULL CHECK (code IN ('pulse', 'systolic', 'diastolic', 'temperature', 'weight', 'oxygen')),
    value          numeric(8, 2) NOT NULL CHECK (value >= 0),
    unit           text NOT NULL CHECK (unit <> ''),
    observed_at    timestamptz NOT NULL,
    FOREIGN KEY (encounter_id, patient_id) REFERENCES encounters (encounter_id, patient_id)
);
COMMENT ON TABLE observations IS 'What was measured. The largest table; only ever added to.';
CREATE INDEX observations_encounter_idx ON observations (encounter_id);
CREATE INDEX observations_patient_idx ON observations (patient_id, code, observed_at);

CREATE TABLE medications (
    medication_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id    bigint NOT NULL REFERENCES patients,
    encounter_id  bigint,
    prescribed_by bigint NOT NULL REFERENCES providers (provider_id),
    drug          text NOT NULL CHECK (drug <> ''),
    dose          numeric(8, 2) NOT NULL CHECK (dose > 0),
    unit          text NOT NULL CHECK (unit IN ('mg', 'ug', 'ml', 'units')),
    times_a_day   smallint NOT NULL CHECK (times_a_day BETWEEN 1 AND 12),
    starts_on     date NOT NULL,
    ends_on       date CHECK (ends_on >= starts_on),
    created_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (encounter_id, patient_id) REFERENCES encounters (encounter_id, patient_id)
);
COMMENT ON TABLE medications IS 'What was prescribed; without ends_on it is still taken.';
CREATE INDEX medications_patient_idx ON medications (patient_id) WHERE ends_on IS NULL;
CREATE INDEX medications_encounter_idx ON medications (encounter_id);
CREATE INDEX medications_prescribed_by_idx ON medications (prescribed_by);

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION touch() IS 'Keeps updated_at.';
CREATE TRIGGER patients_touch BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION touch();

CREATE VIEW open_appointments AS
    SELECT a.appointment_id, a.starts_at, a.ends_at, a.status, a.provider_id, v.family_name AS provider, a.patient_id,
           p.record_number
      FROM appointments a JOIN providers v USING (provider_id) JOIN patients p USING (patient_id)
     WHERE a.status IN ('booked', 'arrived');
COMMENT ON VIEW open_appointments IS 'What is still to come, without names of patients.';

RESET ROLE;
