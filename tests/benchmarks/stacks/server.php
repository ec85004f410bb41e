<?php
// GetJob and ScheduleJob on PHP's SoapServer. PHP keeps nothing from one request to the next but
// this compiled script (opcache) and the read WSDL (soap.wsdl_cache): the job is read each time.

declare(strict_types=1);

final class Scheduling
{
    public function GetJob(object $call): array
    {
        $job = json_decode(file_get_contents(getenv('MEASURED_JOB')));
        if ($call->jobId !== $job->JobID) {
            throw new SoapFault('Client', "there is no job {$call->jobId}");
        }
        return ['GetJobResult' => $job];
    }

    /** As the gateway answers it: with an id and a status, without the parameters. */
    public function ScheduleJob(object $call): array
    {
        $job = $call->job;
        $job->JobID = self::newId();
        $job->Parameters = new stdClass();
        $job->ScheduleInParallel = false;
        $job->Status = [
            'JobInvoker' => 'InvokeUser',
            'JobInvokerInfo' => 'admin',
            'StartDateTime' => $job->When->ScheduledDateTime,
            'Type' => 'Scheduled',
        ];
        return ['ScheduleJobResult' => $job];
    }

    private static function newId(): string
    {
        $parts = str_split(strtoupper(bin2hex(random_bytes(16))), 4);
        return vsprintf('{%s%s-%s-%s-%s-%s%s%s}', $parts);
    }
}

$known = ($_SERVER['PHP_AUTH_USER'] ?? '') === getenv('MEASURED_NAME')
    && ($_SERVER['PHP_AUTH_PW'] ?? '') === getenv('MEASURED_PASSWORD');
if (!$known) {
    http_response_code(401);
    header('Content-Length: 0');
    return;
}
$server = new SoapServer(getenv('MEASURED_WSDL'), ['cache_wsdl' => WSDL_CACHE_MEMORY]);
$server->setClass(Scheduling::class);
$server->handle();
