BEGIN TRANSACTION;
CREATE TABLE agent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    principal_id BIGINT REFERENCES principal (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    embedded INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    facts TEXT NOT NULL,
    max_runs INTEGER NOT NULL,
    session TEXT,
    boot_id TEXT NOT NULL,
    last_contact_at BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
, primary_team_id BIGINT REFERENCES team (id), last_console_user TEXT NOT NULL DEFAULT '', run_limit INTEGER, instance TEXT NOT NULL DEFAULT '');
INSERT INTO "agent" VALUES(10001,'01a219bae951700385644f8cc4d56557',1,NULL,'here','here',1,1,'{"name":"here","platform":"linux","version":"0.1.0","boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023","addresses":["192.0.2.2","fd00::2"],"capabilities":["sh","bash","python"],"max_runs":10,"embedded":true,"time_zone":"UTC","mac_addresses":["02:fc:00:00:00:01","aa:0b:a4:34:09:32","d6:76:08:e7:0f:e0"],"console_user":"","health":{"disk_free":77696757760,"disk_total":270553174016,"memory_free":24466726912,"memory_total":25276510208,"load":0.34}}',10,'01a219bae95072e1982ef1f710be4a27','027fd161-a68e-4d65-90de-b0bc9c46d023',1795728009578309,1795728009552550,NULL,NULL,'',NULL,'');
CREATE TABLE agent_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id BIGINT NOT NULL REFERENCES agent (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE audit_entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    at BIGINT NOT NULL,
    principal_id BIGINT,
    principal_name TEXT NOT NULL,
    address TEXT NOT NULL,
    surface TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_guid TEXT,
    object_name TEXT NOT NULL,
    before TEXT,
    after TEXT,
    comment TEXT NOT NULL
);
INSERT INTO "audit_entry" VALUES(1,1,1795728004905846,NULL,'','','cli','','login.add','login','01a219bad7237115be065bc58aaa83b5','admin',NULL,'{"description":"","roles":["Administrators"],"password":"********"}','');
INSERT INTO "audit_entry" VALUES(2,1,1795728007485559,NULL,'','','cli','','create','module','a5d0f1c71b6758f2984da1f85b7384c8','Plain',NULL,'{"name":"Plain","folder":"","enabled":true,"parameters":0,"tasks":1}','');
INSERT INTO "audit_entry" VALUES(3,1,1795728007490827,NULL,'','','cli','','create','module','5458cfcf02a65793b190b1c6bd89fffe','Forking',NULL,'{"name":"Forking","folder":"","enabled":true,"parameters":0,"tasks":1}','');
INSERT INTO "audit_entry" VALUES(4,1,1795728007493691,NULL,'','','cli','','create','module','39bcf4b6810255588f86c5393fda4a81','Retried',NULL,'{"name":"Retried","folder":"","enabled":true,"parameters":0,"tasks":1}','');
INSERT INTO "audit_entry" VALUES(5,1,1795728007496263,NULL,'','','cli','','create','run book','b7c49a584fea5813bdc630db2102aacc','Run book',NULL,'{"name":"Run book","folder":"","enabled":true,"parameters":0,"jobs":3}','');
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    state SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT,
    created_at BIGINT NOT NULL
);
INSERT INTO "blob" VALUES(1,'01a219baeb54736698eafb005284d7e6',1,1,12,'71fe348d841941fe2c3a1828f01dc9a0cdad7acaef8b41707bd3f36bac3260ba',1795728010068754);
INSERT INTO "blob" VALUES(2,'01a219baeb5b7524a936241eb3c73a76',1,1,12,'71fe348d841941fe2c3a1828f01dc9a0cdad7acaef8b41707bd3f36bac3260ba',1795728010075984);
INSERT INTO "blob" VALUES(3,'01a219baeb60708f9a700b2122288b4e',1,1,12,'71fe348d841941fe2c3a1828f01dc9a0cdad7acaef8b41707bd3f36bac3260ba',1795728010080083);
INSERT INTO "blob" VALUES(4,'01a219baeb6e748db150067fc95c025f',1,1,18,'ff43c4d99de4735928aa8ea0a01bad90dd0f624e6df75e7f4d21d65a74815a5a',1795728010094397);
CREATE TABLE blob_chunk (
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (blob_id, seq)
);
INSERT INTO "blob_chunk" VALUES(1,0,X'736F6D65206F75747075740A');
INSERT INTO "blob_chunk" VALUES(2,0,X'736F6D65206F75747075740A');
INSERT INTO "blob_chunk" VALUES(3,0,X'736F6D65206F75747075740A');
INSERT INTO "blob_chunk" VALUES(4,0,X'6368696C6472656E20617265206C6566740A');
CREATE TABLE calendar (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE TABLE credential (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    kind SMALLINT NOT NULL,
    verifier TEXT NOT NULL,
    secret_id BIGINT REFERENCES secret (id),
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
INSERT INTO "credential" VALUES(1,'01a219bad724707e865405f332d7d494',10001,0,'$argon2id$v=19$m=19456,t=2,p=1$I+tvQLK3+Qh/z8Fzb0wvow$NUuwHBoPCQU00T/h4PR+LkAKTLrqrROhIHI5/x1xtak',NULL,'',1795728004899387,NULL,NULL);
CREATE TABLE definition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    version_id BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (tenant_id, guid)
);
INSERT INTO "definition" VALUES(10001,'a5d0f1c71b6758f2984da1f85b7384c8',1,0,NULL,'Plain','plain',1,1,1795728007481431,NULL);
INSERT INTO "definition" VALUES(10002,'5458cfcf02a65793b190b1c6bd89fffe',1,0,NULL,'Forking','forking',1,2,1795728007488587,NULL);
INSERT INTO "definition" VALUES(10003,'39bcf4b6810255588f86c5393fda4a81',1,0,NULL,'Retried','retried',1,3,1795728007491954,NULL);
INSERT INTO "definition" VALUES(10004,'b7c49a584fea5813bdc630db2102aacc',1,2,NULL,'Run book','run book',1,4,1795728007494659,NULL);
CREATE TABLE definition_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    definition_id BIGINT NOT NULL REFERENCES definition (id),
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT,
    UNIQUE (definition_id, number)
);
INSERT INTO "definition_version" VALUES(1,10001,1,'{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","name":"Plain","description":"","folder":"","comment":"","enabled":true,"parameters":[],"conditions":[],"evaluators":[],"tasks":[{"guid":"6602eb8f-8091-5ed0-8085-92ba4509cc9a","name":"Plain","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nline begun\nsleep 0.03\necho some output\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"captures":[],"evaluators":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":0,"policy":{"retries":null,"retry_on":null,"retry_delay":null,"retry_factor":null,"retry_longest":null,"timeout":null,"concurrency":null,"lock":null,"priority":null}}',1795728007484102,NULL);
INSERT INTO "definition_version" VALUES(2,10002,1,'{"guid":"5458cfcf-02a6-5793-b190-b1c6bd89fffe","name":"Forking","description":"","folder":"","comment":"","enabled":true,"parameters":[],"conditions":[],"evaluators":[],"tasks":[{"guid":"b0875046-1e86-5f75-9716-c76907703676","name":"Forking","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nline begun\nsleep 90 &\n(setsid sh -c ''trap \"\" TERM; sleep 90'' &)\nsleep 0.05\necho children are left\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"captures":[],"evaluators":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":0,"policy":{"retries":null,"retry_on":null,"retry_delay":null,"retry_factor":null,"retry_longest":null,"timeout":null,"concurrency":null,"lock":null,"priority":null}}',1795728007489866,NULL);
INSERT INTO "definition_version" VALUES(3,10003,1,'{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","name":"Retried","description":"","folder":"","comment":"","enabled":true,"parameters":[],"conditions":[],"evaluators":[],"tasks":[{"guid":"eef7df27-d2fd-53ea-b919-29ca94771672","name":"Retried","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nexec 9>\"$TMPDIR/$GATEWAY_RUN\"\nflock -n 9 || line overlap\nline begun\nsleep 90 &\nsleep 0.1\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"captures":[],"evaluators":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":3,"policy":{"retries":null,"retry_on":null,"retry_delay":null,"retry_factor":null,"retry_longest":null,"timeout":null,"concurrency":null,"lock":null,"priority":null}}',1795728007492982,NULL);
INSERT INTO "definition_version" VALUES(4,10004,1,'{"guid":"b7c49a58-4fea-5813-bdc6-30db2102aacc","name":"Run book","description":"","folder":"","comment":"","enabled":true,"parameters":[],"who_parameter":"RunBookWho","who_selection":0,"policy":{"retries":null,"retry_on":null,"retry_delay":null,"retry_factor":null,"retry_longest":null,"timeout":null,"concurrency":null,"lock":null,"priority":null},"jobs":[{"guid":"908a9c82-9767-5ab2-85fc-7b075612ca62","name":"job 0","description":"","enabled":true,"what":[{"kind":"module","guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8"}],"who":[],"use_run_book_who":false,"parallel":false,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]},{"guid":"8eabc1a0-fdbe-5029-b729-667ace881aa0","name":"job 1","description":"","enabled":true,"what":[{"kind":"module","guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8"}],"who":[],"use_run_book_who":false,"parallel":true,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]},{"guid":"97f1edd4-0229-5ae9-959e-a72a92c4a264","name":"job 2","description":"","enabled":true,"what":[{"kind":"module","guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81"}],"who":[],"use_run_book_who":false,"parallel":false,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]}]}',1795728007495586,NULL);
CREATE TABLE enrolment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    address TEXT NOT NULL,
    code TEXT NOT NULL,
    verifier TEXT NOT NULL,
    state SMALLINT NOT NULL,
    agent_id BIGINT REFERENCES agent (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by BIGINT
);
CREATE TABLE enrolment_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    label TEXT NOT NULL,
    verifier TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    teams TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE TABLE exclusive_window (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    parent_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    path TEXT NOT NULL,
    path_key TEXT NOT NULL,
    UNIQUE (tenant_id, kind, path_key)
);
CREATE TABLE housekeeping_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    ok INTEGER,
    detail TEXT NOT NULL
);
INSERT INTO "housekeeping_run" VALUES(1,'sweep of what was not published before the start',1795728009599860,1795728009600769,1,'nothing to do');
INSERT INTO "housekeeping_run" VALUES(2,'recomputing of due times',1795728009603804,1795728009776172,1,'nothing to do');
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    parent_id BIGINT,
    schedule_id BIGINT,
    definition_id BIGINT,
    folder_id BIGINT,
    owner_id BIGINT,
    origin SMALLINT NOT NULL,
    recurring INTEGER NOT NULL,
    status SMALLINT NOT NULL,
    stage SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    runs_open INTEGER NOT NULL,
    due_at BIGINT,
    launch_by BIGINT,
    wake_at BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
, seq INTEGER NOT NULL DEFAULT 0, lock_name TEXT, stop_by BIGINT);
INSERT INTO "job" VALUES(10001,'01a219baeaf070e6b75e5b9793d19888',1,NULL,NULL,10001,NULL,10001,1,0,4,2,'',5,0,1795728009966409,1796332809966409,NULL,1795728009966409,1795728009976305,1795728010071069,0,NULL,NULL);
INSERT INTO "job" VALUES(10002,'01a219baeafe7418b0efb6d679e7308f',1,NULL,NULL,10002,NULL,10001,1,0,4,2,'',5,0,1795728009982381,1796332809982381,NULL,1795728009982381,1795728009991187,1795728010090357,0,NULL,NULL);
INSERT INTO "job" VALUES(10003,'01a219baeb0b77b4a9675e32b7a31e42',1,NULL,NULL,10003,NULL,10001,1,0,4,2,'',5,0,1795728009994614,1796332809994614,NULL,1795728009994614,1795728009997312,1795728010143649,0,NULL,NULL);
INSERT INTO "job" VALUES(10004,'01a219baeb10743aaa849785555d1a58',1,NULL,NULL,10004,NULL,10001,1,0,4,2,'',5,0,1795728010000385,1796332810000385,NULL,1795728010000385,1795728010006630,1795728010219283,0,NULL,NULL);
INSERT INTO "job" VALUES(10005,'01a219baeb187069afda05d5a3b41999',1,10004,NULL,10001,NULL,10001,9,0,4,2,'',5,0,1795728010006630,1796332810006630,NULL,1795728010006630,1795728010014146,1795728010075467,0,NULL,NULL);
INSERT INTO "job" VALUES(10006,'01a219baeb187069afda05d60b7307a5',1,10004,NULL,10001,NULL,10001,9,0,4,2,'',5,0,1795728010006630,1796332810006630,NULL,1795728010006630,1795728010014146,1795728010080839,1,NULL,NULL);
INSERT INTO "job" VALUES(10007,'01a219baeb187069afda05d7df1f7ba8',1,10004,NULL,10003,NULL,10001,9,0,4,2,'',5,0,1795728010088954,1796332810088954,NULL,1795728010006630,1795728010095592,1795728010216596,2,NULL,NULL);
CREATE TABLE job_acceptance (
    owner_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    token TEXT NOT NULL,
    job_id BIGINT NOT NULL REFERENCES job (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, kind, token)
);
CREATE TABLE job_counter (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    stage SMALLINT NOT NULL,
    origin SMALLINT NOT NULL,
    recurring INTEGER NOT NULL,
    folder_id BIGINT NOT NULL,
    slot SMALLINT NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, stage, origin, recurring, folder_id, slot)
);
INSERT INTO "job_counter" VALUES(1,0,1,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,1,1,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,0,9,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,1,9,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,2,1,0,0,0,4);
INSERT INTO "job_counter" VALUES(1,2,9,0,0,0,3);
CREATE TABLE job_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id BIGINT NOT NULL REFERENCES job (id),
    run_id BIGINT,
    at BIGINT NOT NULL,
    before SMALLINT,
    after SMALLINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
INSERT INTO "job_event" VALUES(1,10001,NULL,1795728009966409,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(2,10001,NULL,1795728009976305,0,1,'agent','');
INSERT INTO "job_event" VALUES(3,10002,NULL,1795728009982381,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(4,10002,NULL,1795728009991187,0,1,'agent','');
INSERT INTO "job_event" VALUES(5,10003,NULL,1795728009994614,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(6,10003,NULL,1795728009997312,0,1,'agent','');
INSERT INTO "job_event" VALUES(7,10004,NULL,1795728010000385,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(8,10004,NULL,1795728010006630,0,1,'run book','');
INSERT INTO "job_event" VALUES(9,10005,NULL,1795728010006630,NULL,0,'run book','waits for its turn in the run book');
INSERT INTO "job_event" VALUES(10,10006,NULL,1795728010006630,NULL,0,'run book','waits for its turn in the run book');
INSERT INTO "job_event" VALUES(11,10007,NULL,1795728010006630,NULL,0,'run book','waits for its turn in the run book');
INSERT INTO "job_event" VALUES(12,10005,NULL,1795728010014146,0,1,'agent','');
INSERT INTO "job_event" VALUES(13,10006,NULL,1795728010014146,0,1,'agent','');
INSERT INTO "job_event" VALUES(14,10001,NULL,1795728010071069,1,4,'engine','');
INSERT INTO "job_event" VALUES(15,10005,NULL,1795728010075467,1,4,'engine','');
INSERT INTO "job_event" VALUES(16,10006,NULL,1795728010080839,1,4,'engine','');
INSERT INTO "job_event" VALUES(17,10002,NULL,1795728010090357,1,4,'engine','');
INSERT INTO "job_event" VALUES(18,10007,NULL,1795728010095592,0,1,'agent','');
INSERT INTO "job_event" VALUES(19,10003,NULL,1795728010143649,1,4,'engine','');
INSERT INTO "job_event" VALUES(20,10007,NULL,1795728010216596,1,4,'engine','');
INSERT INTO "job_event" VALUES(21,10004,NULL,1795728010219283,1,4,'run book','');
CREATE TABLE job_output (
    job_id BIGINT PRIMARY KEY REFERENCES job (id),
    outputs TEXT NOT NULL
);
INSERT INTO "job_output" VALUES(10004,'[]');
CREATE TABLE job_request (
    job_id BIGINT PRIMARY KEY REFERENCES job (id),
    description TEXT NOT NULL,
    surface TEXT NOT NULL,
    timing TEXT NOT NULL,
    what TEXT NOT NULL,
    who TEXT NOT NULL,
    parameters TEXT NOT NULL,
    options TEXT NOT NULL,
    extras TEXT
, digest TEXT NOT NULL DEFAULT '');
INSERT INTO "job_request" VALUES(10001,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1,"from":{"address":"127.0.0.1","request_id":"4ea96ef1d5d63e3b","comment":""}}',NULL,'80c336e0f78d2f16:4ec2ab4e88ffb60ddf9c7527ff66a9f6');
INSERT INTO "job_request" VALUES(10002,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"5458cfcf-02a6-5793-b190-b1c6bd89fffe","kind":0,"name":"Forking","version":2}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1,"from":{"address":"127.0.0.1","request_id":"2ba7a14feca75e0a","comment":""}}',NULL,'80c336e0f78d2f16:777244fadfad246f0acb804301d24871');
INSERT INTO "job_request" VALUES(10003,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","kind":0,"name":"Retried","version":3}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":3,"tasks":1,"from":{"address":"127.0.0.1","request_id":"22db6c3b7c216411","comment":""}}',NULL,'80c336e0f78d2f16:2bd9afa6ab7417c22086cbfaeb28d031');
INSERT INTO "job_request" VALUES(10004,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"b7c49a58-4fea-5813-bdc6-30db2102aacc","kind":2,"name":"Run book","version":4,"parameters":[],"who_parameter":"RunBookWho","who_selection":0,"jobs":[{"job":{"guid":"908a9c82-9767-5ab2-85fc-7b075612ca62","name":"job 0","description":"","enabled":true,"what":[{"kind":"module","guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8"}],"who":[],"use_run_book_who":false,"parallel":false,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]},"what":[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}],"tasks":1,"retries":0,"policy":{},"lock":null,"definition":10001,"folder":null},{"job":{"guid":"8eabc1a0-fdbe-5029-b729-667ace881aa0","name":"job 1","description":"","enabled":true,"what":[{"kind":"module","guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8"}],"who":[],"use_run_book_who":false,"parallel":true,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]},"what":[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}],"tasks":1,"retries":0,"policy":{},"lock":null,"definition":10001,"folder":null},{"job":{"guid":"97f1edd4-0229-5ae9-959e-a72a92c4a264","name":"job 2","description":"","enabled":true,"what":[{"kind":"module","guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81"}],"who":[],"use_run_book_who":false,"parallel":false,"on_failure":"continue","conditions":[],"evaluators":[],"links":[]},"what":[{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","kind":0,"name":"Retried","version":3}],"tasks":1,"retries":3,"policy":{},"lock":null,"definition":10003,"folder":null}]}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":0,"from":{"address":"127.0.0.1","request_id":"f2c33be3edd4113a","comment":""}}',NULL,'80c336e0f78d2f16:2309ee0fb5e9024c840afd7467412ab5');
INSERT INTO "job_request" VALUES(10005,'job 0','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1,"from":{"address":"127.0.0.1","request_id":"f2c33be3edd4113a","comment":""},"policy":{},"lock":null,"step":{"guid":"908a9c82-9767-5ab2-85fc-7b075612ca62","name":"job 0"},"conditions":[],"evaluators":[]}',NULL,'');
INSERT INTO "job_request" VALUES(10006,'job 1','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1,"from":{"address":"127.0.0.1","request_id":"f2c33be3edd4113a","comment":""},"policy":{},"lock":null,"step":{"guid":"8eabc1a0-fdbe-5029-b729-667ace881aa0","name":"job 1"},"conditions":[],"evaluators":[]}',NULL,'');
INSERT INTO "job_request" VALUES(10007,'job 2','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","kind":0,"name":"Retried","version":3}]','[{"agent":10001,"guid":"01a219ba-e951-7003-8564-4f8cc4d56557","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":3,"tasks":1,"from":{"address":"127.0.0.1","request_id":"f2c33be3edd4113a","comment":""},"policy":{},"lock":null,"step":{"guid":"97f1edd4-0229-5ae9-959e-a72a92c4a264","name":"job 2"},"conditions":[],"evaluators":[]}',NULL,'');
CREATE TABLE lock_holder (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    team_id BIGINT REFERENCES team (id),
    reason TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    begun_by TEXT NOT NULL,
    until BIGINT,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE TABLE notification (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    rule_id BIGINT NOT NULL REFERENCES notification_rule (id),
    event TEXT NOT NULL,
    job_id BIGINT,
    content TEXT NOT NULL,
    state SMALLINT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE TABLE notification_attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notification_id BIGINT NOT NULL REFERENCES notification (id),
    at BIGINT NOT NULL,
    took BIGINT NOT NULL,
    ok INTEGER NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE notification_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    events TEXT NOT NULL,
    channel SMALLINT NOT NULL,
    target TEXT NOT NULL,
    secret_guid TEXT,
    enabled INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE TABLE principal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
INSERT INTO "principal" VALUES(10001,'01a219bad7237115be065bc58aaa83b5',1,0,'admin','admin','',0,1795728004899387,NULL);
CREATE TABLE resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    version_id BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (tenant_id, guid)
);
CREATE TABLE resource_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    resource_id BIGINT NOT NULL REFERENCES resource (id),
    number INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT, version_name TEXT NOT NULL DEFAULT '1.0.0', parse_content INTEGER NOT NULL DEFAULT FALSE, skip_environment INTEGER NOT NULL DEFAULT FALSE,
    UNIQUE (resource_id, number)
);
CREATE TABLE retention_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    definition_id BIGINT REFERENCES definition (id),
    max_age BIGINT,
    max_count INTEGER,
    archive INTEGER NOT NULL
);
CREATE TABLE role (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    builtin INTEGER NOT NULL,
    UNIQUE (tenant_id, name_key)
);
INSERT INTO "role" VALUES(10001,'01a219bad724707e865405f428ef8e4c',1,'Administrators','administrators',1);
INSERT INTO "role" VALUES(10002,'01a219bad72573bea8a66cb5bf2e2288',1,'Operators','operators',1);
INSERT INTO "role" VALUES(10003,'01a219bad72673dda39fed7fddacf595',1,'Schedulers','schedulers',1);
INSERT INTO "role" VALUES(10004,'01a219bad7277434a3274417d2adb287',1,'Readers','readers',1);
CREATE TABLE role_binding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    role_id BIGINT NOT NULL REFERENCES role (id),
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    UNIQUE (principal_id, role_id, scope_kind, scope_id)
);
INSERT INTO "role_binding" VALUES(1,10001,10001,0,0);
CREATE TABLE role_permission (
    role_id BIGINT NOT NULL REFERENCES role (id),
    node TEXT NOT NULL,
    access SMALLINT NOT NULL,
    PRIMARY KEY (role_id, node)
);
INSERT INTO "role_permission" VALUES(10001,'*',2);
INSERT INTO "role_permission" VALUES(10002,'*',1);
INSERT INTO "role_permission" VALUES(10002,'Jobs',2);
INSERT INTO "role_permission" VALUES(10003,'Modules',1);
INSERT INTO "role_permission" VALUES(10003,'Projects',1);
INSERT INTO "role_permission" VALUES(10003,'RunBooks',1);
INSERT INTO "role_permission" VALUES(10003,'Agents',1);
INSERT INTO "role_permission" VALUES(10003,'Teams',1);
INSERT INTO "role_permission" VALUES(10003,'Jobs',2);
INSERT INTO "role_permission" VALUES(10004,'*',1);
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    job_id BIGINT NOT NULL REFERENCES job (id),
    agent_id BIGINT NOT NULL REFERENCES agent (id),
    attempt SMALLINT NOT NULL,
    status SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    session TEXT,
    lease_until BIGINT,
    tasks_total INTEGER NOT NULL,
    tasks_done INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
, not_before BIGINT, launch_by BIGINT, after_boot TEXT, turn BIGINT NOT NULL DEFAULT 0);
INSERT INTO "run" VALUES(1,'01a219baeaf276819c5c7a7298e01122',10001,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728009966409,1795728009976305,1795728010071069,NULL,NULL,NULL,1795728009970554);
INSERT INTO "run" VALUES(2,'01a219baeb0072ffb68ec0d854b2afa6',10002,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728009982381,1795728009991187,1795728010090357,NULL,NULL,NULL,1795728009984842);
INSERT INTO "run" VALUES(3,'01a219baeb0c76f68679e4a78cbb58c6',10003,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728009994614,1795728009997312,1795728010143649,NULL,NULL,NULL,1795728009996463);
INSERT INTO "run" VALUES(4,'01a219baeb1a72e68930807d30eb11e4',10005,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728010006630,1795728010014146,1795728010075467,NULL,NULL,NULL,1795728010010229);
INSERT INTO "run" VALUES(5,'01a219baeb1b72e1bfd19d6b81ced441',10006,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728010006630,1795728010014146,1795728010080839,NULL,NULL,NULL,1795728610010229);
INSERT INTO "run" VALUES(6,'01a219baeb6b7549af8e4c56c5ef6104',10007,10001,1,4,'',5,'01a219bae95072e1982ef1f710be4a27',NULL,1,1,1795728010088954,1795728010095592,1795728010216596,NULL,NULL,NULL,1795728010091426);
CREATE TABLE run_output (
    run_id BIGINT PRIMARY KEY REFERENCES run (id),
    outputs TEXT NOT NULL
);
INSERT INTO "run_output" VALUES(4,'[]');
INSERT INTO "run_output" VALUES(5,'[]');
INSERT INTO "run_output" VALUES(6,'[]');
CREATE TABLE schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    job_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    rule TEXT NOT NULL,
    zone TEXT NOT NULL,
    starts_at BIGINT,
    ends_at BIGINT,
    missed_runs SMALLINT NOT NULL,
    grace BIGINT NOT NULL,
    enabled INTEGER NOT NULL,
    next_due_at BIGINT
, calendar_id BIGINT REFERENCES calendar (id), on_closed SMALLINT NOT NULL DEFAULT 0);
CREATE TABLE schedule_firing (
    schedule_id BIGINT NOT NULL REFERENCES schedule (id),
    due_at BIGINT NOT NULL,
    outcome SMALLINT NOT NULL,
    job_id BIGINT,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
);
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_initial','2026-11-26 21:20:04.648209');
INSERT INTO "schema_migration" VALUES(2,'0002_run_books_teams_resources','2026-11-26 21:20:04.659120');
INSERT INTO "schema_migration" VALUES(3,'0003_agents_policies_calendars','2026-11-26 21:20:04.672574');
CREATE TABLE secret (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    purpose TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE store_fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "store_fact" VALUES('incarnation','8c9aec26-e437-45ab-bc21-cc89336c2e67');
INSERT INTO "store_fact" VALUES('security_epoch','2');
INSERT INTO "store_fact" VALUES('readable_from','3');
INSERT INTO "store_fact" VALUES('vault_canary','0180c336e01a881949445bb15e5c33ddd222ac702ec11bb3c608d8498728b12484548ea57a0e70615478c3726a964b8c4d1f3f1a7dba79f5ab898c671f5ea230f1ea87');
INSERT INTO "store_fact" VALUES('zone_data','system 2025b');
CREATE TABLE task_result (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id BIGINT NOT NULL REFERENCES run (id),
    attempt SMALLINT NOT NULL,
    seq INTEGER NOT NULL,
    task_guid TEXT NOT NULL,
    module_guid TEXT NOT NULL,
    module TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL,
    exit_code BIGINT,
    detail TEXT NOT NULL,
    outputs TEXT NOT NULL,
    log_id BIGINT REFERENCES blob (id),
    log_truncated INTEGER NOT NULL,
    process TEXT,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (run_id, attempt, seq)
);
INSERT INTO "task_result" VALUES(1,1,1,0,'6602eb8f80915ed0808592ba4509cc9a','a5d0f1c71b6758f2984da1f85b7384c8','Plain','Plain',4,0,'','{}',1,0,'{"pid":8011,"started_at":1795728009760000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728009985448,1795728010067439);
INSERT INTO "task_result" VALUES(2,2,1,0,'b08750461e865f759716c76907703676','5458cfcf02a65793b190b1c6bd89fffe','Forking','Forking',4,0,'','{}',4,0,'{"pid":8015,"started_at":1795728009770000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728010011835,1795728010090135);
INSERT INTO "task_result" VALUES(3,3,1,0,'eef7df27d2fd53eab91929ca94771672','39bcf4b6810255588f86c5393fda4a81','Retried','Retried',4,0,'','{}',NULL,0,'{"pid":8022,"started_at":1795728009780000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728010015871,1795728010143080);
INSERT INTO "task_result" VALUES(4,4,1,0,'6602eb8f80915ed0808592ba4509cc9a','a5d0f1c71b6758f2984da1f85b7384c8','Plain','Plain',4,0,'','{}',2,0,'{"pid":8027,"started_at":1795728009780000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728010026480,1795728010075087);
INSERT INTO "task_result" VALUES(5,5,1,0,'6602eb8f80915ed0808592ba4509cc9a','a5d0f1c71b6758f2984da1f85b7384c8','Plain','Plain',4,0,'','{}',3,0,'{"pid":8031,"started_at":1795728009780000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728010029642,1795728010078113);
INSERT INTO "task_result" VALUES(6,6,1,0,'eef7df27d2fd53eab91929ca94771672','39bcf4b6810255588f86c5393fda4a81','Retried','Retried',4,0,'','{}',NULL,0,'{"pid":8058,"started_at":1795728009850000,"boot_id":"027fd161-a68e-4d65-90de-b0bc9c46d023"}',1795728010100349,1795728010216152);
CREATE TABLE team (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    rule TEXT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT, run_limit INTEGER,
    UNIQUE (tenant_id, guid)
);
CREATE TABLE team_member (
    team_id BIGINT NOT NULL REFERENCES team (id),
    kind SMALLINT NOT NULL,
    member_id BIGINT NOT NULL,
    PRIMARY KEY (team_id, kind, member_id)
);
CREATE TABLE tenant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO "tenant" VALUES(1,'00000000000000000000000000000001','default');
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE UNIQUE INDEX principal_name ON principal (tenant_id, kind, name_key)
    WHERE deleted_at IS NULL;
CREATE INDEX credential_principal ON credential (principal_id, kind);
CREATE INDEX audit_entry_at ON audit_entry (tenant_id, at);
CREATE INDEX definition_name ON definition (tenant_id, kind, name_key);
CREATE INDEX blob_unpublished ON blob (created_at) WHERE state = 0;
CREATE INDEX resource_name ON resource (tenant_id, name_key);
CREATE INDEX agent_name ON agent (tenant_id, name_key);
CREATE INDEX schedule_job ON schedule (job_id);
CREATE INDEX job_stage ON job (tenant_id, stage, id);
CREATE INDEX job_wake ON job (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_event_job ON job_event (job_id, id);
CREATE INDEX job_acceptance_at ON job_acceptance (created_at);
CREATE INDEX run_held ON run (agent_id, id) WHERE status IN (1, 2);
CREATE INDEX run_job ON run (job_id);
CREATE INDEX team_name ON team (tenant_id, name_key);
CREATE INDEX team_member_of ON team_member (kind, member_id);
CREATE INDEX job_owner ON job (owner_id, id) WHERE owner_id IS NOT NULL;
CREATE INDEX job_started ON job (started_at, id) WHERE started_at IS NOT NULL;
CREATE INDEX run_on_hold ON run (agent_id, id) WHERE status = -1;
CREATE INDEX enrolment_waiting ON enrolment (id) WHERE state = 0;
CREATE UNIQUE INDEX enrolment_verifier ON enrolment (verifier);
CREATE INDEX agent_event_agent ON agent_event (agent_id, id);
CREATE INDEX calendar_name ON calendar (tenant_id, name_key);
CREATE INDEX schedule_calendar ON schedule (calendar_id) WHERE calendar_id IS NOT NULL;
CREATE INDEX maintenance_present ON maintenance (id) WHERE ended_at IS NULL;
CREATE INDEX run_waiting ON run (agent_id, priority DESC, turn, id) WHERE status = 0;
CREATE INDEX job_lock ON job (tenant_id, lock_name, id)
    WHERE lock_name IS NOT NULL AND stage < 2;
CREATE INDEX job_of_definition ON job (definition_id, id) WHERE stage = 2;
CREATE INDEX notification_next ON notification (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notification_job ON notification (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX notification_attempt_of ON notification_attempt (notification_id, id);
CREATE INDEX housekeeping_run_name ON housekeeping_run (name, id)
;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('principal',10001);
INSERT INTO "sqlite_sequence" VALUES('role',10004);
INSERT INTO "sqlite_sequence" VALUES('folder',10000);
INSERT INTO "sqlite_sequence" VALUES('definition',10004);
INSERT INTO "sqlite_sequence" VALUES('resource',10000);
INSERT INTO "sqlite_sequence" VALUES('agent',10001);
INSERT INTO "sqlite_sequence" VALUES('schedule',10000);
INSERT INTO "sqlite_sequence" VALUES('job',10007);
INSERT INTO "sqlite_sequence" VALUES('team',10000);
INSERT INTO "sqlite_sequence" VALUES('tenant',1);
INSERT INTO "sqlite_sequence" VALUES('credential',1);
INSERT INTO "sqlite_sequence" VALUES('role_binding',1);
INSERT INTO "sqlite_sequence" VALUES('audit_entry',5);
INSERT INTO "sqlite_sequence" VALUES('definition_version',4);
INSERT INTO "sqlite_sequence" VALUES('housekeeping_run',2);
INSERT INTO "sqlite_sequence" VALUES('job_event',21);
INSERT INTO "sqlite_sequence" VALUES('run',6);
INSERT INTO "sqlite_sequence" VALUES('task_result',6);
INSERT INTO "sqlite_sequence" VALUES('blob',4);
COMMIT;
