-- Synthetic data for :patients patients. Nobody in it exists. The same on every machine: what looks random is the md5 of
-- a row's own number, today is 1 January 2025, and no row depends on the order in which others are read.

SET LOCAL TimeZone = 'UTC';
SET LOCAL search_path = clinic, pg_catalog;
-- Each foreign key's look at its patient would be a line of the audit log, and tell nothing of anybody.
SET LOCAL pgaudit.role = '';

DO $$
BEGIN
    IF EXISTS (SELECT FROM clinic.patients) OR EXISTS (SELECT FROM clinic.providers) THEN
        RAISE EXCEPTION 'the clinic has patients or providers already; sample data goes into an empty one'
            USING HINT = 'Leave it out with --no-sample, or name another --database.';
    END IF;
END $$;

-- 0 to n - 1, by the key alone.
CREATE FUNCTION pg_temp.draw(key text, n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS
    $$ SELECT ('x' || substr(md5(key), 1, 12))::bit(48)::bigint % n $$;
CREATE FUNCTION pg_temp.pick(key text, words text[]) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT words[1 + pg_temp.draw(key, cardinality(words))] $$;
CREATE FUNCTION pg_temp.family_name(key text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT pg_temp.pick(key || 'a', '{Al,Ber,Cor,Dan,El,Fal,Gor,Hal,Is,Jan,Kel,Lin,Mar,Nor,Os,Pel,Ros,Sel,Tor,Ul,Vin,Wes}')
           || pg_temp.pick(key || 'b', '{berg,dahl,din,field,gard,holt,ler,lund,man,mont,ner,quist,sen,stad,ton,well}') $$;
CREATE FUNCTION pg_temp.given_name(key text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT pg_temp.pick(key || 'g', '{Ada,Amir,Bela,Chen,Dara,Edda,Femi,Gita,Hugo,Ines,Jun,Kira,Leo,Mina,Noor,Olga,'
                                       'Pavel,Quinn,Rosa,Sami,Tove,Uma,Vera,Wanda,Xenia,Yuri,Zoe}') $$;

-- One provider for 50 patients, five at least: then each of them has at most one appointment a day (below).
SELECT greatest(5, (:patients + 49) / 50) AS providers, 4 * :patients AS appointments, (:patients + 4) / 5 AS emergencies \gset
SELECT (:appointments + :providers - 1) / :providers AS rounds \gset

INSERT INTO providers (provider_id, licence, family_name, given_name, specialty, active, created_at) OVERRIDING SYSTEM VALUE
SELECT i, 'L' || lpad(i::text, 7, '0'), pg_temp.family_name('v' || i), pg_temp.given_name('v' || i),
       pg_temp.pick('vs' || i, '{general,general,general,cardiology,dermatology,paediatrics,orthopaedics,neurology}'),
       pg_temp.draw('va' || i, 20) > 0, timestamptz '2020-01-01 08:00Z' + i % 1000 * interval '1 day'
  FROM generate_series(1::bigint, :providers) AS i;

INSERT INTO patients (patient_id, record_number, family_name, given_name, birth_date, sex, email, phone, postal_code, died_on,
                      created_at, updated_at) OVERRIDING SYSTEM VALUE
SELECT i, 'P' || lpad(i::text, 8, '0'), pg_temp.family_name('p' || i), pg_temp.given_name('p' || i),
       date '1930-01-01' + pg_temp.draw('pb' || i, 34000)::int,
       pg_temp.pick('ps' || i, '{female,female,female,female,male,male,male,male,other,unknown}'),
       CASE WHEN pg_temp.draw('pe' || i, 4) > 0 THEN 'patient' || i || '@clinic.example' END,
       CASE WHEN pg_temp.draw('pp' || i, 5) > 0 THEN '+999' || lpad(pg_temp.draw('pn' || i, 100000000)::text, 8, '0') END,
       lpad(pg_temp.draw('pc' || i, 100000)::text, 5, '0'),
       CASE WHEN pg_temp.draw('pd' || i, 100) = 0 THEN date '2025-01-01' + pg_temp.draw('px' || i, 90)::int END,
       t.created, t.created
  FROM generate_series(1::bigint, :patients) AS i,
       LATERAL (SELECT timestamptz '2023-01-01 08:00Z' + pg_temp.draw('pt' || i, 500) * interval '1 day') AS t (created);

-- From half a year before today to half a year after it. The rounds of a provider lie on different days, so no two of
-- its appointments meet.
INSERT INTO appointments (appointment_id, patient_id, provider_id, starts_at, ends_at, status, reason, created_at)
       OVERRIDING SYSTEM VALUE
SELECT i, 1 + pg_temp.draw('ap' || i, :patients), 1 + (i - 1) % :providers, t.starts, t.starts + interval '30 minutes',
       CASE WHEN t.starts < timestamptz '2025-01-01 00:00Z'
            THEN pg_temp.pick('as' || i, '{done,done,done,done,done,done,done,done,done,done,cancelled,missed}')
            ELSE pg_temp.pick('as' || i, '{booked,booked,booked,booked,booked,booked,booked,cancelled}') END,
       pg_temp.pick('ar' || i, '{check-up,follow-up,pain,vaccination,results,prescription}'),
       t.starts - (1 + pg_temp.draw('ac' || i, 60)) * interval '1 day'
  FROM generate_series(1::bigint, :appointments) AS i,
       LATERAL (SELECT timestamptz '2024-07-01 08:00Z' + ((i - 1) / :providers) * 364 / :rounds * interval '1 day'
                       + pg_temp.draw('at' || i, 18) * interval '30 minutes') AS t (starts);

-- An encounter bears the number of its appointment; emergencies come after those, without one.
INSERT INTO encounters (encounter_id, patient_id, provider_id, appointment_id, kind, started_at, ended_at, diagnosis, created_at)
       OVERRIDING SYSTEM VALUE
SELECT a.appointment_id, a.patient_id, a.provider_id, a.appointment_id,
       pg_temp.pick('ek' || a.appointment_id, '{visit,visit,visit,visit,remote}'), t.started,
       t.started + (5 + pg_temp.draw('ee' || a.appointment_id, 25)) * interval '1 minute',
       pg_temp.pick('ed' || a.appointment_id, '{Z00.0,I10,E11.9,J06.9,M54.5,L20.9,R51,K21.9}'), t.started
  FROM appointments AS a,
       LATERAL (SELECT a.starts_at + pg_temp.draw('es' || a.appointment_id, 10) * interval '1 minute') AS t (started)
 WHERE a.status = 'done';
INSERT INTO encounters (encounter_id, patient_id, provider_id, kind, started_at, ended_at, diagnosis, created_at)
       OVERRIDING SYSTEM VALUE
SELECT :appointments + i, 1 + pg_temp.draw('xp' || i, :patients), 1 + pg_temp.draw('xv' || i, :providers),
       pg_temp.pick('xk' || i, '{emergency,emergency,inpatient}'), t.started,
       t.started + (1 + pg_temp.draw('xe' || i, 72)) * interval '1 hour',
       pg_temp.pick('xd' || i, '{S52.5,R07.4,J18.9,K35.8,I21.9}'), t.started
  FROM generate_series(1::bigint, :emergencies) AS i,
       LATERAL (SELECT timestamptz '2024-07-01 00:00Z' + pg_temp.draw('xt' || i, 180 * 1440) * interval '1 minute') AS t (started);

INSERT INTO observations (observation_id, encounter_id, patient_id, code, value, unit, observed_at) OVERRIDING SYSTEM VALUE
SELECT 6 * (e.encounter_id - 1) + k.number, e.encounter_id, e.patient_id, k.code,
       k.least + pg_temp.draw('o' || e.encounter_id || k.code, k.width) / k.divisor, k.unit,
       e.started_at + k.number * interval '1 minute'
  FROM encounters AS e
  CROSS JOIN (VALUES (1, 'pulse', 52, 60, 1.0, 'bpm'), (2, 'systolic', 98, 70, 1.0, 'mmHg'), (3, 'diastolic', 58, 40, 1.0, 'mmHg'),
                     (4, 'temperature', 36, 30, 10.0, 'C'), (5, 'weight', 48, 700, 10.0, 'kg'), (6, 'oxygen', 91, 9, 1.0, '%'))
        AS k (number, code, least, width, divisor, unit)
 WHERE pg_temp.draw('ok' || e.encounter_id || k.code, 3) > 0;

INSERT INTO medications (medication_id, patient_id, encounter_id, prescribed_by, drug, dose, unit, times_a_day, starts_on, ends_on,
                         created_at) OVERRIDING SYSTEM VALUE
SELECT e.encounter_id, e.patient_id, e.encounter_id, e.provider_id, d.drug, d.dose, d.unit,
       1 + pg_temp.draw('mt' || e.encounter_id, 3), e.started_at::date,
       CASE WHEN pg_temp.draw('me' || e.encounter_id, 3) > 0
            THEN e.started_at::date + 7 + pg_temp.draw('md' || e.encounter_id, 80)::int END,
       e.started_at
  FROM encounters AS e
  JOIN (VALUES (0, 'paracetamol', 500, 'mg'), (1, 'ibuprofen', 400, 'mg'), (2, 'metformin', 850, 'mg'), (3, 'amoxicillin', 750, 'mg'),
               (4, 'levothyroxine', 50, 'ug'), (5, 'insulin glargine', 12, 'units'), (6, 'ramipril', 5, 'mg'))
       AS d (number, drug, dose, unit) ON d.number = pg_temp.draw('mg' || e.encounter_id, 7)
 WHERE pg_temp.draw('mm' || e.encounter_id, 2) = 0;

-- What clients add comes after all of it, also when a transaction of before was broken off and left a gap.
SELECT format('SELECT setval(pg_get_serial_sequence(''clinic.%I'', %L), (SELECT max(%I) FROM clinic.%I))', t, c, c, t)
  FROM (VALUES ('providers', 'provider_id'), ('patients', 'patient_id'), ('appointments', 'appointment_id'),
               ('encounters', 'encounter_id'), ('observations', 'observation_id'), ('medications', 'medication_id')) AS s (t, c) \gexec
ANALYZE providers, patients, appointments, encounters, observations, medications;
DROP FUNCTION pg_temp.family_name(text), pg_temp.given_name(text), pg_temp.pick(text, text[]), pg_temp.draw(text, bigint);
